package whatsapp

import (
	"context"
	"errors"
	"testing"

	"go.mau.fi/whatsmeow/store"
)

// deviceTable counts the calls that reach the table of devices.
type deviceTable struct{ put, deleted int }

func (w *deviceTable) PutDevice(context.Context, *store.Device) error    { w.put++; return nil }
func (w *deviceTable) DeleteDevice(context.Context, *store.Device) error { w.deleted++; return nil }

func TestADeviceThatIsOverIsNeitherEmptiedNorWrittenAgain(t *testing.T) {
	table := &deviceTable{}
	held := &credentials{DeviceContainer: table}
	device := &store.Device{Container: held, PushName: "Ana"}
	if err := held.PutDevice(t.Context(), device); err != nil || table.put != 1 {
		t.Fatalf("written %d times, %v", table.put, err)
	}
	// whatsmeow calls this when the device was removed on the phone.
	if err := device.Delete(t.Context()); !errors.Is(err, errOursToDelete) || device.Deleted || table.deleted != 0 {
		t.Errorf("deleted: %v, %d times in the table, %v", device.Deleted, table.deleted, err)
	}
	if err := held.PutDevice(t.Context(), device); !errors.Is(err, store.ErrDeviceDeleted) || table.put != 1 {
		t.Errorf("written %d times, %v", table.put, err)
	}
}
