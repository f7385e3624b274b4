package syncd_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/proto/waSyncdSnapshotRecovery"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox/devicetest"
	"wasup/internal/sandbox/syncd"
)

const name = "regular_low"

var key = syncd.Key{ID: []byte{0, 0, 0, 0, 7, 7}, Data: bytes.Repeat([]byte{9}, 32), Time: 1}

func lookup(id []byte) (syncd.Key, bool) { return key, bytes.Equal(id, key.ID) }

func pin(chat string, on bool) syncd.Mutation {
	return syncd.Mutation{
		Index: []string{appstate.IndexPin, chat}, Version: 5,
		Value: &waSyncAction.SyncActionValue{PinAction: &waSyncAction.PinAction{Pinned: &on}},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newProcessor returns whatsmeow's own app state processor, with its store.
func newProcessor(t *testing.T) *appstate.Processor {
	t.Helper()
	ctx := context.Background()
	container := devicetest.Open(t, devicetest.DSN(t))
	device := container.NewDevice()
	device.ID = &types.JID{User: "4915112345678", Device: 1, Server: types.DefaultUserServer}
	device.Account = &waAdv.ADVSignedDeviceIdentity{
		Details: []byte{}, AccountSignature: make([]byte, 64), AccountSignatureKey: make([]byte, 32), DeviceSignature: make([]byte, 64),
	}
	must(t, device.Save(ctx))
	must(t, device.AppStateKeys.PutAppStateSyncKey(ctx, key.ID, store.AppStateSyncKey{Data: key.Data, Timestamp: key.Time, Fingerprint: []byte{}}))
	return appstate.NewProcessor(device, waLog.Noop)
}

func TestWhatsmeowReadsWhatWeEncode(t *testing.T) {
	theirs := newProcessor(t)
	ours := &syncd.Collection{Name: name}
	var state appstate.HashState
	// Set, set again, remove, two at once: all the ways in which the hash changes.
	removed := pin("1@lid", true)
	removed.Remove = true
	for i, changes := range [][]syncd.Mutation{{pin("1@lid", true)}, {pin("1@lid", false)}, {removed}, {pin("1@lid", true), pin("2@lid", true)}} {
		patch, err := ours.Encode(key, changes, 1234)
		must(t, err)
		must(t, syncd.Check(patch))
		got, next, err := theirs.DecodePatches(t.Context(), &appstate.PatchList{Name: name, Patches: []*waServerSync.SyncdPatch{patch}}, state, true)
		must(t, err)
		state = next
		if len(got) != len(changes) || !slices.Equal(got[0].Index, changes[0].Index) || got[0].Action.GetTimestamp() != 1234 {
			t.Fatalf("patch %d reads as %+v", i+1, got)
		}
		read, err := ours.Apply(patch, lookup)
		must(t, err)
		if len(read) != len(changes) || read[0].Remove != changes[0].Remove {
			t.Fatalf("we read patch %d as %+v", i+1, read)
		}
		if ours.Version != state.Version || !bytes.Equal(ours.Hash(), state.Hash[:]) {
			t.Fatalf("at version %d our hash is another than theirs", ours.Version)
		}
	}
}

func TestWeReadWhatWhatsmeowEncodes(t *testing.T) {
	theirs := newProcessor(t)
	ours := &syncd.Collection{Name: name}
	chat := types.NewJID("104857600000001", types.HiddenUserServer)
	raw, err := theirs.EncodePatch(t.Context(), key.ID, appstate.HashState{}, appstate.BuildPin(chat, true))
	must(t, err)
	var patch waServerSync.SyncdPatch
	must(t, proto.Unmarshal(raw, &patch))
	// The server assigns the version.
	patch.Version = &waServerSync.SyncdVersion{Version: proto.Uint64(1)}
	read, err := ours.Apply(&patch, lookup)
	must(t, err)
	if len(read) != 1 || !read[0].Value.GetPinAction().GetPinned() || read[0].Index[1] != chat.String() {
		t.Fatalf("read %+v", read)
	}
	again := &syncd.Collection{Name: name}
	_, err = again.Restore(1, []*waServerSync.SyncdRecord{patch.Mutations[0].Record}, lookup)
	must(t, err)
	if !bytes.Equal(again.Hash(), ours.Hash()) {
		t.Fatal("the hash of the records is another than that of the patches")
	}
}

func TestWhatsmeowTakesARecoveredCollection(t *testing.T) {
	theirs := newProcessor(t)
	ours := &syncd.Collection{Name: name}
	patch, err := ours.Encode(key, []syncd.Mutation{pin("1@lid", true)}, 1)
	must(t, err)
	_, err = ours.Apply(patch, lookup)
	must(t, err)
	records, err := syncd.Open([]*waServerSync.SyncdRecord{patch.Mutations[0].Record}, lookup)
	must(t, err)
	_, err = theirs.ProcessRecovery(t.Context(), &waSyncdSnapshotRecovery.SyncdSnapshotRecovery{
		Version: &waSyncdSnapshotRecovery.SyncdVersion{Version: &ours.Version}, CollectionName: proto.String(name), CollectionLthash: ours.Hash(),
		MutationRecords: []*waSyncdSnapshotRecovery.SyncdPlainTextRecord{{Value: records[0].Data, KeyID: records[0].KeyID, Mac: records[0].MAC}},
	})
	must(t, err)
	// whatsmeow continues from our state: it can read the next patch.
	patch, err = ours.Encode(key, []syncd.Mutation{pin("1@lid", false)}, 2)
	must(t, err)
	version, hash, err := theirs.Store.AppState.GetAppStateVersion(t.Context(), name)
	must(t, err)
	_, _, err = theirs.DecodePatches(t.Context(), &appstate.PatchList{Name: name, Patches: []*waServerSync.SyncdPatch{patch}}, appstate.HashState{Version: version, Hash: hash}, true)
	must(t, err)
}

func TestABrokenPatchIsReportedAndReadsNothing(t *testing.T) {
	spoil := map[string]struct {
		change func(*waServerSync.SyncdPatch)
		want   error
	}{
		"patch MAC":    {func(p *waServerSync.SyncdPatch) { p.PatchMAC[0] ^= 1 }, syncd.ErrMAC},
		"snapshot MAC": {func(p *waServerSync.SyncdPatch) { p.SnapshotMAC[0] ^= 1 }, syncd.ErrMAC},
		"value":        {func(p *waServerSync.SyncdPatch) { p.Mutations[0].Record.Value.Blob[20] ^= 1 }, syncd.ErrMAC},
		"index":        {func(p *waServerSync.SyncdPatch) { p.Mutations[0].Record.Index.Blob[3] ^= 1 }, syncd.ErrMAC},
		"key":          {func(p *waServerSync.SyncdPatch) { p.KeyID.ID = []byte{1} }, syncd.ErrUnknownKey},
		"key of value": {func(p *waServerSync.SyncdPatch) { p.Mutations[0].Record.KeyID.ID = []byte{1} }, syncd.ErrUnknownKey},
		"short value":  {func(p *waServerSync.SyncdPatch) { p.Mutations[0].Record.Value.Blob = make([]byte, 33) }, syncd.ErrShape},
		"no mutation":  {func(p *waServerSync.SyncdPatch) { p.Mutations = nil }, syncd.ErrShape},
		"short index":  {func(p *waServerSync.SyncdPatch) { p.Mutations[0].Record.Index.Blob = []byte{1} }, syncd.ErrShape},
	}
	for what, test := range spoil {
		t.Run(what, func(t *testing.T) {
			c := &syncd.Collection{Name: name}
			patch, err := c.Encode(key, []syncd.Mutation{pin("1@lid", true)}, 1)
			must(t, err)
			test.change(patch)
			read, err := c.Apply(patch, lookup)
			if !errors.Is(err, test.want) || len(read) != 0 {
				t.Fatalf("read %v, error %v, expected %v", read, err, test.want)
			}
			wasShape := errors.Is(test.want, syncd.ErrShape)
			if wasShape != (c.Version == 0) {
				t.Errorf("the collection is at version %d", c.Version)
			}
		})
	}
}

// FuzzPatch feeds patches that strangers could send. None of them may crash a reader.
func FuzzPatch(f *testing.F) {
	c := &syncd.Collection{Name: name}
	patch, err := c.Encode(key, []syncd.Mutation{pin("1@lid", true)}, 1)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := proto.Marshal(patch)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var patch waServerSync.SyncdPatch
		if proto.Unmarshal(raw, &patch) != nil {
			return
		}
		c := &syncd.Collection{Name: name}
		shape := syncd.Check(&patch)
		if _, err := c.Apply(&patch, lookup); shape != nil && !errors.Is(err, syncd.ErrShape) {
			t.Fatalf("applied what has no shape: %v", shape)
		}
	})
}
