package mongo

import (
	"errors"
	"slices"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
)

// faults are the codes by which a server says that it will never take a
// document, whatever its own state. All others, unknown ones too, are taken
// for the server's trouble: a write that is tried again for ever raises an
// alarm, a message that is dropped is lost.
var faults = map[int]string{
	2:     "BadValue",
	9:     "FailedToParse",
	14:    "TypeMismatch",
	22:    "InvalidBSON",
	28:    "PathNotViable",
	52:    "DollarPrefixedFieldName",
	53:    "InvalidIdField",
	54:    "NotSingleValueField",
	55:    "InvalidDBRef",
	56:    "EmptyFieldName",
	57:    "DottedFieldName",
	121:   "DocumentValidationFailure",
	171:   "CannotIndexParallelArrays",
	10334: "BSONObjectTooLarge",
	15998: "an index key that is no good",
	17280: "KeyTooLong",
	17419: "an update would make it too large",
	17420: "an update would make it too large",
}

const notImplemented = 238

// duplicates are the places of the items that a write found to be there
// already; ok is false if it has failed in any other way.
func duplicates(err error) (places []int, ok bool) {
	var bulk driver.BulkWriteException
	if !errors.As(err, &bulk) || bulk.WriteConcernError != nil || len(bulk.WriteErrors) == 0 {
		return nil, false
	}
	for _, e := range bulk.WriteErrors {
		if !driver.IsDuplicateKeyError(e.WriteError) {
			return nil, false
		}
		places = append(places, e.Index)
	}
	return places, true
}

// itemsFault tells whether a write has failed because of what one of its
// items is, and not because of the server, the network or the time.
func itemsFault(err error) bool {
	var said driver.ServerError
	if !errors.As(err, &said) || said.HasErrorLabel("RetryableWriteError") || driver.IsNetworkError(err) || driver.IsTimeout(err) {
		return false
	}
	var bulk driver.BulkWriteException
	if errors.As(err, &bulk) && bulk.WriteConcernError != nil {
		return false
	}
	faulty := false
	for _, code := range driver.ErrorCodes(err) {
		switch {
		case faults[code] != "":
			faulty = true
		case !slices.Contains([]int{11000, 11001, 12582}, code): // duplicates beside it
			return false
		}
	}
	return faulty
}

// unknown tells whether a server has no such command or option.
func unknown(err error) bool {
	var said driver.ServerError
	return errors.As(err, &said) && said.HasErrorCode(notImplemented)
}
