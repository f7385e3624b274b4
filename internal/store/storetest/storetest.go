package storetest

import (
	"context"
	"testing"
	"time"

	"wasup/internal/session"
	"wasup/internal/store"
)

// Patience bounds every wait of the suite. It is an upper bound for a slow machine, never something that is measured.
const Patience = 5 * time.Minute

// Run runs the suite. open returns a new and empty store, with KeepMedia, that is closed by the test's cleanup.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	t.Helper()
	tests := []struct {
		name string
		run  func(t *testing.T, st *store.Store)
	}{
		{"sessions/a new store has none", noSessions},
		{"sessions/asking for one makes its row", setDesiredMakesTheRow},
		{"sessions/asking again keeps the rest of the row", setDesiredKeepsTheRest},
		{"sessions/what is observed leaves desired and device alone", saveObservedWritesOnlyItsColumns},
		{"sessions/what is observed does not bring a deleted one back", saveObservedMakesNoRow},
		{"sessions/a device is bound and unbound", bindDevice},
		{"sessions/a device belongs to the session that paired it last", deviceIsTakenOver},
		{"sessions/a deleted one is gone with its messages", deleteSession},
		{"sessions/bad ids and wishes are refused by name", refusesBadInput},
		{"settings/creating makes the row with them", createMakesTheRow},
		{"settings/only one of many callers creates", createOnce},
		{"settings/saving them leaves the rest of the row alone", saveSettingsKeepsTheRest},
		{"settings/other writes leave them alone", othersKeepTheSettings},
		{"settings/a deletion is not taken back", deletionIsNotTakenBack},
		{"settings/bad ones are refused", refusesBadSettings},
		{"outbox/a new entry comes back as it was given", enqueueNew},
		{"outbox/the same key gives the stored entry", enqueueTwice},
		{"outbox/an old key is free again", oldKeysAreFree},
		{"outbox/a session that is not there has no messages", enqueueForNobody},
		{"outbox/changes are carried out from the states they name", advance},
		{"outbox/a refusal is kept, and with its content queued again", failAndRequeue},
		{"outbox/a poll keeps what its votes refer to", pollsKeepTheirAnswers},
		{"outbox/a change and its event are one", eventsOfChanges},
		{"outbox/only what was never begun can be discarded", discard},
		{"outbox/the queue is in the order of acceptance", queueOrder},
		{"outbox/what ran out is found", expiry},
		{"outbox/what was sent since a time is counted", sentToday},
		{"outbox/messages are listed in pages, by state", listMessages},
		{"outbox/retention takes what is old or too much, in batches", prune},
		{"outbox/receipts move messages further, once", receipts},
		{"outbox/a receipt proves a failure wrong", receiptOfAFailure},
		{"outbox/a note to oneself is received by oneself", receiptsToOneself},
		{"outbox/a receipt, the states and the events are one", receiptsAreOneCommit},
		{"events/they come back as they were given", eventsComeBackAsTheyWereGiven},
		{"events/they are numbered without gaps, repetitions left out", eventsAreNumberedWithoutGaps},
		{"events/a bad one is refused with those beside it", badEventsAreRefusedTogether},
		{"events/retention never gives a number again", retentionKeepsTheNumbers},
		{"events/a time is found", aTimeIsFound},
		{"events/those of one session can be forgotten", forgottenEventsLeaveTheOthers},
		{"events/commits are in the order of positions", commitsAreInOrder},
		{"kept/a file waits from the moment its event is there, once", filesArriveWithTheirEvents},
		{"kept/files wait for their turn, and what failed for its time", filesWaitForTheirTurn},
		{"kept/what is there is listed and looked up", filesAreListedAndLookedUp},
		{"kept/files go with the log, by age and when they are told to", filesGoWithTheirEvents},
		{"kept/a deleted session's files go, and another one's with its name do not", filesGoWithTheirSession},
		{"webhooks/one comes back as it was given, is changed and deleted", webhookComesBack},
		{"webhooks/one begins where it was told to", webhookBegins},
		{"webhooks/the log is read by session, number and type", webhookReadsTheLog},
		{"webhooks/a cursor moves only from where it was", cursorMovesFromWhereItWas},
		{"webhooks/many cursors move in one commit, each from where it was", manyMoveAtOnce},
		{"webhooks/retention waits for them, and says what they missed", retentionWaitsForWebhooks},
		{"webhooks/what failed is kept with its next time", cursorKeepsItsAttempts},
		{"webhooks/a dead letter keeps its event, and can be tried again or thrown away", deadLetters},
		{"webhooks/cursors go back by number, by time and to the beginning", cursorsGoBack},
		{"webhooks/the last attempts are kept, newest first", attemptsAreKept},
		{"webhooks/a deleted session leaves nothing", deletedSessionLeavesNoWebhooks},
		{"concurrency/writers of many sessions do not disturb each other", concurrentWriters},
		{"concurrency/one of many callers with one key makes the entry", oneBegins},
		{"commit/works that wait together share a transaction", commitsShareATransaction},
		{"commit/a work that fails fails alone", oneFailingCommitFailsAlone},
		{"commit/a work that has not begun is withdrawn with its context", commitIsWithdrawn},
		{"commit/a work that has begun is finished", commitIsFinishedOnceBegun},
		{"commit/within a transaction it is part of it", commitWithinATransactionJoinsIt},
		{"commit/a full database refuses works and recovers", commitsOfAFullDatabaseRecover},
		{"commit/closing answers every work", closeAnswersEveryCommit},
		{"faults/a context that ended is an error and never no row", endedContext},
		{"faults/a wait for the writer ends with the context", writerIsTaken},
		{"faults/reads do not wait for the writer", readsPassTheWriter},
		{"faults/a full database refuses the entry and recovers", fullDatabase},
		{"faults/a database that became read-only refuses the entry", readOnly},
		{"faults/a closed store answers with an error", closed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, want session.Code) {
	t.Helper()
	if got := session.CodeOf(err); got != want {
		t.Fatalf("code is %q (%v), want %q", got, err, want)
	}
}
