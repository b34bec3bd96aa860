// Package scripts holds the Lua that changes Bellhop's state in Redis, one
// transition a file, and loads it. Each file's header says what it takes, what
// it answers and what must hold.
package scripts

import (
	"embed"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed *.lua lib/*.lua
var files embed.FS

const includeMark = "--#include "

// Load gives every script by its file's name without the ending. On a cluster
// they publish with SPUBLISH, elsewhere with PUBLISH: a channel has the name of
// the key it speaks of, so both stay in the script's slot.
func Load(sharded bool) (map[string]*redis.Script, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	set := make(map[string]*redis.Script)
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".lua")
		if !ok {
			continue
		}
		src, err := source(name)
		if err != nil {
			return nil, err
		}
		if sharded {
			src = strings.ReplaceAll(src, "'PUBLISH'", "'SPUBLISH'")
		}
		set[name] = redis.NewScript(src)
	}
	return set, nil
}

// source is a script with its includes put in place and its comments taken
// out: Redis has no require.
func source(name string) (string, error) {
	text, err := files.ReadFile(name + ".lua")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		libs, ok := strings.CutPrefix(line, includeMark)
		if !ok {
			b.WriteString(line)
			continue
		}
		for _, lib := range strings.Fields(libs) {
			part, err := files.ReadFile("lib/" + lib + ".lua")
			if err != nil {
				return "", fmt.Errorf("script %s: %w", name, err)
			}
			b.Write(part)
		}
	}
	return b.String(), nil
}
