// Package sessions reads sessions and their logs, in Redis and in the archive alike,
// and lists, searches and judges them.
//
// # What it promises
//
// Whoever asks sees what is theirs and nothing else. A message is found under its seq
// wherever it is by now. A list names each session once, newest first, and a page holds
// what fits into one reply.
//
// # Keys and scripts
//
// Its own key is states, the lists of sessions by state, with the scripts file and look.
// It reads session, log, unread, read, authors, recalled, sessions, listed and waiting, and
// writes, by enrol, what it found out about who took part.
//
// # Loops and locks
//
// One loop puts the lists by state right at the node's start and once more later. It
// takes no lock.
package sessions
