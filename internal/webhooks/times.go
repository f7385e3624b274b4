package webhooks

import "time"

// moment is a time at which the loop makes a lane ready, or looks at a receiver again.
type moment struct {
	at       time.Time
	lane     *lane
	receiver *receiver
}

// times is a heap of moments. A moment that is out of date stays in it and is ignored when its time comes.
type times []moment

func (t times) Len() int           { return len(t) }
func (t times) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t times) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *times) Push(x any) {
	m, _ := x.(moment)
	*t = append(*t, m)
}

func (t *times) Pop() any {
	old := *t
	last := old[len(old)-1]
	old[len(old)-1] = moment{}
	*t = old[:len(old)-1]
	return last
}

func (t times) first() (time.Time, bool) {
	if len(t) == 0 {
		return time.Time{}, false
	}
	return t[0].at, true
}
