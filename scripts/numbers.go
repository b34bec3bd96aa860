package scripts

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var named = regexp.MustCompile(`(?m)^local ([A-Z][A-Z_]*(?:, [A-Z][A-Z_]*)*) = ([0-9.e]+(?:, [0-9.e]+)*)(?: --|$)`)

// Number is a number that a file, like lib/unread, gives a name in capitals. The program has some of
// them, too: tests hold the two to one another.
func Number(at, name string) (float64, error) {
	text, err := files.ReadFile(at + ".lua")
	if err != nil {
		return 0, err
	}
	for _, m := range named.FindAllStringSubmatch(string(text), -1) {
		values := strings.Split(m[2], ", ")
		for i, n := range strings.Split(m[1], ", ") {
			if n == name && i < len(values) {
				return strconv.ParseFloat(values[i], 64)
			}
		}
	}
	return 0, fmt.Errorf("%s.lua: no number has the name %s", at, name)
}
