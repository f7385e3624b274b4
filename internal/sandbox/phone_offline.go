package sandbox

import (
	"fmt"
	"time"
)

// Online says whether the phone is there.
func (p *Phone) Online() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.away
}

// Delay is how long ScriptSlow takes.
func (p *Phone) Delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delay
}

// SetDelay changes how long ScriptSlow takes.
func (p *Phone) SetDelay(delay time.Duration) error {
	if delay <= 0 || delay > maxDelay {
		return fmt.Errorf("%w: got %s", ErrBadDelay, delay)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = delay
	return nil
}

// SetOnline switches the phone off or on, as a person or a tunnel does. Off, it sends and receives nothing and the
// server keeps what is for it; on again, it gets all of that in order, and only then are there receipts.
func (p *Phone) SetOnline(on bool) {
	if p.switchTo(on) {
		p.account.profile.mu.Lock()
		p.account.profile.lastSeen = time.Now()
		p.account.profile.mu.Unlock()
		p.srv.tellWatchers(p.account)
	}
}

// switchTo says whether the phone was switched.
func (p *Phone) switchTo(on bool) bool {
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
	detail := "offline"
	if on {
		detail = "online"
		for _, d := range p.held {
			p.put(d)
		}
		p.held = nil
	}
	p.srv.emit(Event{Kind: EventPhone, Account: p.account.number, Detail: detail})
	return true
}

// GoOffline switches the phone off for some time.
func (p *Phone) GoOffline(d time.Duration) error {
	if d <= 0 || d > maxFaultDelay {
		return fmt.Errorf("%w: got %s", ErrBadAbsence, d)
	}
	p.SetOnline(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.back = p.srv.after(d, func() { p.SetOnline(true) })
	return nil
}

// take queues a stanza for the phone, until it is back if it is away.
func (p *Phone) take(d delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.away {
		p.put(d)
		return
	}
	if len(p.held) >= maxPhoneQueue {
		p.srv.stats.add(func(n *Counters) { n.QueueOverflows++ })
		return
	}
	p.held = append(p.held, d)
}

// put hands a stanza to the goroutine that handles them. The caller holds the lock, which keeps the order.
func (p *Phone) put(d delivery) {
	if !p.inbox.put(d) {
		p.srv.stats.add(func(n *Counters) { n.QueueOverflows++ })
	}
}
