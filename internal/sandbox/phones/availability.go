package phones

import (
	"sync"
	"time"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/tasks"
)

// availability is whether a phone is online. It also queues the stanzas for the phone.
type availability struct {
	*handset

	inbox tasks.Mailbox[accounts.Delivery]

	mu sync.Mutex
	// away is set while the phone is offline. held are the stanzas that wait until it is back.
	away bool
	held []accounts.Delivery
	back *time.Timer
}

// Online reports whether the phone is online.
func (p *availability) Online() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.away
}

// SetOnline switches the phone on or off. While it is off, it sends and receives nothing and the server keeps the
// stanzas for it. When it is on again, it gets all of them in order and sends receipts only then.
func (p *availability) SetOnline(on bool) {
	if p.switchTo(on) {
		p.Net.Profiles.Switched(p.Account)
	}
}

// switchTo switches the phone on or off and reports whether that changed anything.
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

// GoOffline switches the phone off for a time. It fails with ErrBadAbsence.
func (p *availability) GoOffline(d time.Duration) error {
	if err := checkAbsence(d); err != nil {
		return err
	}
	p.SetOnline(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.back = p.Net.Tasks.After(d, func() { p.SetOnline(true) })
	return nil
}

// Take queues a stanza for the phone. While the phone is offline, the stanza waits.
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

// put passes a stanza to the goroutine that handles it. The caller holds the lock, which preserves the order.
func (p *availability) put(d accounts.Delivery) {
	if !p.inbox.Put(d) {
		p.Net.Observer.Count(func(n *observe.Counters) { n.QueueOverflows++ })
	}
}
