package phones

import (
	"fmt"
	"sync"
	"time"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/tasks"
)

// availability says whether a phone is there, and takes what is for it.
type availability struct {
	*handset

	inbox tasks.Mailbox[accounts.Delivery]

	mu sync.Mutex
	// away is set while the phone is offline; held is what waits for it until it is back.
	away bool
	held []accounts.Delivery
	back *time.Timer
}

// Online says whether the phone is there.
func (p *availability) Online() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.away
}

// SetOnline switches the phone off or on, as a person or a tunnel does. Off, it sends and receives nothing and the
// server keeps what is for it; on again, it gets all of that in order, and only then are there receipts.
func (p *availability) SetOnline(on bool) {
	if p.switchTo(on) {
		p.Net.Profiles.Switched(p.Account)
	}
}

// switchTo says whether the phone was switched.
func (p *availability) switchTo(on bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.back != nil {
		p.back.Stop()
		p.back = nil
	}
	if p.away != on {
		return false
	}
	p.away = !on
	p.Account.Changed.Store(true)
	detail := "offline"
	if on {
		detail = "online"
		for _, d := range p.held {
			p.put(d)
		}
		p.held = nil
	}
	p.Net.Observer.Emit(observe.Event{Kind: observe.EventPhone, Account: p.Account.Number, Detail: detail})
	return true
}

// GoOffline switches the phone off for some time.
func (p *availability) GoOffline(d time.Duration) error {
	if d <= 0 || d > faults.MaxFaultDelay {
		return fmt.Errorf("%w: got %s", ErrBadAbsence, d)
	}
	p.SetOnline(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.back = p.Net.Tasks.After(d, func() { p.SetOnline(true) })
	return nil
}

// Take queues a stanza for the phone, until it is back if it is away.
func (p *availability) Take(d accounts.Delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.away {
		p.put(d)
		return
	}
	if len(p.held) >= maxPhoneQueue {
		p.Net.Observer.Count(func(n *observe.Counters) { n.QueueOverflows++ })
		return
	}
	p.held = append(p.held, d)
	p.Account.Changed.Store(true)
}

// put hands a stanza to the goroutine that handles them. The caller holds the lock, which keeps the order.
func (p *availability) put(d accounts.Delivery) {
	if !p.inbox.Put(d) {
		p.Net.Observer.Count(func(n *observe.Counters) { n.QueueOverflows++ })
	}
}
