// Package archiving copies what changes to the archive, and brings sessions back from it.
//
// # What it promises
//
// What was archived is what Redis had at one moment, messages before the session that
// tells of them. Nothing leaves Redis that the archive has not acknowledged. A crash at any point
// doubles and loses nothing: every write may be repeated. What the archive refuses is set
// aside, and tried again.
//
// # Keys and scripts
//
// Its keys are dirty, late and aside, the deployment's reindex, and of a session the fields
// that say what is archived; its scripts are collect (lent as all leased work is), unsaved,
// saved, expire and revive.
//
// # Loops and locks
//
// One loop reads what is due, one writes it; others try again what was refused, and index
// again what earlier versions archived, by one node at a time. lagCache.mu is held while
// Redis is asked, so that many who ask share one answer; nothing else is locked.
package archiving
