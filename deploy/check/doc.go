// Package check holds the tests of what is deployed with Helm and compose, by their own
// libraries. It is a module of its own, so that the program's needs none of them.
package check
