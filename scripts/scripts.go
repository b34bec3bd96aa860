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

const (
	includeMark = "--#include "
	flagsMark   = "--#flags "
	hooksMark   = "--#hooks " // the rest of the line is code for those who have webhooks
)

// Options are what the Redis at hand can do.
type Options struct {
	// Sharded says that it is a cluster: scripts publish with SPUBLISH then, else
	// with PUBLISH. A channel has the name of the key it speaks of, so both stay
	// in the script's slot.
	Sharded bool
	// Flags says that it knows scripts with flags (Redis 7; the embedded one does
	// not): one that must not run, because memory is full or for another reason,
	// is refused before its first command then, never in the middle.
	Flags bool
	// Hooks says that there are webhooks: what their lines say is carried out. A
	// script that has such lines takes, after all its other KEYS, the partition's `hooks`.
	Hooks bool
}

// Load gives every script by its file's name without the ending.
func Load(o Options) (map[string]*redis.Script, error) {
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
		src, flags, err := source(name)
		if err != nil {
			return nil, err
		}
		if o.Flags {
			src = "#!lua flags=" + flags + "\n" + src
		}
		if o.Sharded {
			src = strings.ReplaceAll(src, "'PUBLISH'", "'SPUBLISH'")
		}
		if o.Hooks {
			src = strings.ReplaceAll(src, hooksMark, "")
		}
		set[name] = redis.NewScript(src)
	}
	return set, nil
}

// Hooked are the scripts that have lines for webhooks.
func Hooked() (map[string]bool, error) {
	set, err := Load(Options{})
	if err != nil {
		return nil, err
	}
	hooked := make(map[string]bool)
	for name := range set {
		src, _, err := source(name)
		if err != nil {
			return nil, err
		}
		if strings.Contains(src, hooksMark) {
			hooked[name] = true
		}
	}
	return hooked, nil
}

// source is a script with its includes put in place, since Redis has no
// require, and its flags.
func source(name string) (src, flags string, err error) {
	text, err := files.ReadFile(name + ".lua")
	if err != nil {
		return "", "", err
	}
	var b strings.Builder
	flags, err = include(&b, string(text))
	if err != nil {
		return "", "", fmt.Errorf("script %s: %w", name, err)
	}
	return b.String(), flags, nil
}

// include writes a text with what it includes, and what that includes.
func include(b *strings.Builder, text string) (flags string, err error) {
	for line := range strings.Lines(text) {
		if f, ok := strings.CutPrefix(line, flagsMark); ok {
			flags = strings.TrimSpace(f)
			continue
		}
		libs, ok := strings.CutPrefix(line, includeMark)
		if !ok {
			b.WriteString(line)
			continue
		}
		for _, lib := range strings.Fields(libs) {
			part, err := files.ReadFile("lib/" + lib + ".lua")
			if err != nil {
				return "", err
			}
			if _, err := include(b, string(part)); err != nil {
				return "", err
			}
		}
	}
	return flags, nil
}
