// Package store is the way to Redis: the names of all keys, the partitions they lie
// in, running scripts, subscribing, and work that is lent to one node at a time.
//
// # What it promises
//
// A script runs on all of its keys or on none. Where a slot moves, Redis is away or has
// lost its data, the caller gets an error with a code, never half an answer. What a
// subscriber said it listens to is heard, or its `back` is called. Borrowed work comes
// back when its borrower dies.
//
// # Keys and scripts
//
// Its own are partitions, archive and restoring of the deployment, and epoch, leases,
// timers and outbox of a partition, with the scripts of scripts/store. Keys of others
// have their names here, too, so that no two are the same.
//
// # Loops and locks
//
// It runs the loops that others give it, from Begin to Stop, and one for each
// subscriber. Subscriber.mu, Borrower.mu and Outcomes.mu are each taken alone, and not
// held while Redis is asked.
package store
