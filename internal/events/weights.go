package events

import "context"

const (
	// weightBlock is the number of positions that are weighed together. Events are deleted by whole blocks.
	weightBlock = 64
	// weightBatch is the number of blocks that one statement weighs.
	weightBatch = 256
)

// weights are the sizes of the events in the table, by blocks of positions. They are found out once; then only new events
// are weighed.
type weights struct {
	table  Table
	from   uint64 // the first block begins after this position
	blocks []uint64
}

// update weighs the events that are new, and forgets the blocks before the first event.
func (w *weights) update(ctx context.Context) error {
	first, last, err := w.table.Bounds(ctx)
	if err != nil || last == 0 {
		return err
	}
	before := (first - 1) / weightBlock * weightBlock
	if gone := (before - min(before, w.from)) / weightBlock; gone > 0 {
		w.blocks = append([]uint64(nil), w.blocks[min(gone, uint64(len(w.blocks))):]...)
		w.from = before
	}
	if n := len(w.blocks); n > 0 {
		w.blocks = w.blocks[:n-1] // it was weighed before it was full
	}
	for {
		end := w.from + uint64(len(w.blocks))*weightBlock
		if end >= last {
			return nil
		}
		n := min(weightBatch, int((last-end+weightBlock-1)/weightBlock))
		sums, err := w.table.Weigh(ctx, end, weightBlock, n)
		if err != nil {
			return err
		}
		w.blocks = append(w.blocks, sums...)
	}
}

// beyond returns the position up to which the events are more than the newest ones that have so many bytes together; 0
// if there are none, or if most is 0. It never returns the newest block.
func (w *weights) beyond(most uint64) uint64 {
	if most == 0 {
		return 0
	}
	size := uint64(0)
	for i := len(w.blocks) - 1; i >= 0; i-- {
		if size += w.blocks[i]; size > most {
			return w.from + uint64(min(i+1, len(w.blocks)-1))*weightBlock
		}
	}
	return 0
}
