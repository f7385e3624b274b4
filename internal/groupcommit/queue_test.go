package groupcommit_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"wasup/internal/groupcommit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rounds is an owner of a queue whose rounds wait for the test.
type rounds struct {
	gate chan struct{} // each round receives from it before it takes its entries
	mu   sync.Mutex
	done [][]int
}

func (r *rounds) serve(q *groupcommit.Queue[int]) {
	<-r.gate
	entries := q.Take(3)
	var numbers []int
	for _, e := range entries {
		numbers = append(numbers, e.What)
	}
	r.mu.Lock()
	r.done = append(r.done, numbers)
	r.mu.Unlock()
	for _, e := range entries {
		if e.What < 0 {
			e.Answer(errNegative)
		} else {
			e.Answer(nil)
		}
	}
}

var errNegative = errors.New("negative")

func newRounds() (*rounds, *groupcommit.Queue[int]) {
	r := &rounds{gate: make(chan struct{})}
	return r, groupcommit.New(r.serve)
}

// ask starts one caller after the other. The returned function waits for their answers, in the order of the numbers.
func ask(ctx context.Context, q *groupcommit.Queue[int], numbers ...int) func() []error {
	var all sync.WaitGroup
	answers := make([]error, len(numbers))
	for i, n := range numbers {
		all.Go(func() { answers[i] = q.Do(ctx, n) })
		synctest.Wait()
	}
	return func() []error {
		all.Wait()
		return answers
	}
}

func TestWhatWaitsTogetherIsDoneTogetherAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, q := newRounds()
		answers := ask(t.Context(), q, 1, -2, 3, 4, 5)
		r.gate <- struct{}{}
		r.gate <- struct{}{}
		if got, want := answers(), []error{nil, errNegative, nil, nil, nil}; !slices.Equal(got, want) {
			t.Errorf("answers %v, want %v", got, want)
		}
		if got := r.done; !slices.EqualFunc(got, [][]int{{1, -2, 3}, {4, 5}}, slices.Equal) {
			t.Errorf("rounds of %v", got)
		}
	})
}

func TestWhoGivesUpIsNotServedUnlessItHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held, taken := make(chan struct{}), make(chan int, 1)
		q := groupcommit.New(func(q *groupcommit.Queue[int]) {
			entries := q.Take(3)
			taken <- len(entries)
			<-held
			groupcommit.AnswerAll(entries, errNegative)
		})
		ctx, cancel := context.WithCancel(t.Context())
		begun := ask(ctx, q, 1)
		if n := <-taken; n != 1 {
			t.Fatalf("%d entries, want 1", n)
		}
		waiting := ask(ctx, q, 2)
		cancel()
		if got := waiting(); !errors.Is(got[0], context.Canceled) {
			t.Errorf("who waited got %v", got[0])
		}
		close(held)
		if got := begun(); !errors.Is(got[0], errNegative) {
			t.Errorf("who had begun got %v", got[0])
		}
		if n := <-taken; n != 0 {
			t.Errorf("%d entries of those who gave up were taken", n)
		}
		if err := q.Do(ctx, 3); !errors.Is(err, context.Canceled) {
			t.Errorf("who had given up before got %v", err)
		}
		q.Close()
	})
}

func TestCloseWaitsForWhatIsQueuedAndRefusesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, q := newRounds()
		answers := ask(t.Context(), q, 1, 2)
		closed := make(chan struct{})
		go func() { q.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("closed, although something waits")
		default:
		}
		if err := q.Do(t.Context(), 3); !errors.Is(err, groupcommit.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if q.Leave(4, 10) {
			t.Error("something was left after Close")
		}
		r.gate <- struct{}{}
		<-closed
		if got := answers(); got[0] != nil || got[1] != nil {
			t.Errorf("answers %v", got)
		}
		q.Close()
	})
}

func TestWhatIsLeftIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, q := newRounds()
		for n := range 4 {
			if got, want := q.Leave(n, 3), n < 3; got != want {
				t.Errorf("entry %d was taken on: %v, want %v", n, got, want)
			}
		}
		r.gate <- struct{}{}
		q.Close()
		if got := r.done; !slices.EqualFunc(got, [][]int{{0, 1, 2}}, slices.Equal) {
			t.Errorf("rounds of %v", got)
		}
	})
}
