package syncd

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
)

// Mutation is one decrypted change of a collection.
type Mutation struct {
	// Remove says that the entry was removed. Value is then its last value.
	Remove bool
	// Index names the entry: first its kind, then the chat, the message and so on.
	Index []string
	Value *waSyncAction.SyncActionValue
	// Version is the version of the kind of entry, not of the collection.
	Version int32
}

// Collection is the state of a collection on a device that has the keys. The zero value with a name is an empty
// collection.
type Collection struct {
	Name    string
	Version uint64
	hash    Hash
	// values maps the MAC of each entry's index to the MAC of its value.
	values map[[macSize]byte][macSize]byte
}

// Lookup finds a key by its id.
type Lookup func(id []byte) (Key, bool)

// Hash returns the hash over all entries.
func (c *Collection) Hash() []byte { return c.hash[:] }

// apply updates the hash by mutations. It needs no keys.
func (c *Collection) apply(mutations []*waServerSync.SyncdMutation) error {
	if c.values == nil {
		c.values = make(map[[macSize]byte][macSize]byte)
	}
	for _, mutation := range mutations {
		index := [macSize]byte(mutation.GetRecord().GetIndex().GetBlob())
		if before, known := c.values[index]; known {
			if err := c.hash.remove(before[:]); err != nil {
				return err
			}
			delete(c.values, index)
		}
		if mutation.GetOperation() == waServerSync.SyncdMutation_REMOVE {
			continue
		}
		value := [macSize]byte(valueMACOf(mutation.GetRecord()))
		if err := c.hash.add(value[:]); err != nil {
			return err
		}
		c.values[index] = value
	}
	return nil
}

func (c *Collection) clone() *Collection {
	next := *c
	next.values = maps.Clone(c.values)
	return &next
}

// Encode returns the patch that takes the collection from its version to the next, encrypted with a key. The collection
// does not change until Apply, because another device may be faster. now is in milliseconds since 1970.
func (c *Collection) Encode(key Key, mutations []Mutation, now int64) (*waServerSync.SyncdPatch, error) {
	k, err := key.expand()
	if err != nil {
		return nil, err
	}
	patch := &waServerSync.SyncdPatch{KeyID: &waServerSync.KeyId{ID: key.ID}}
	for _, m := range mutations {
		encoded, err := encodeMutation(key.ID, k, m, now)
		if err != nil {
			return nil, err
		}
		patch.Mutations = append(patch.Mutations, encoded)
	}
	next := c.clone()
	if err = next.apply(patch.Mutations); err != nil {
		return nil, err
	}
	next.Version++
	patch.Version = &waServerSync.SyncdVersion{Version: &next.Version}
	patch.SnapshotMAC = k.snapshotMAC(&next.hash, next.Version, c.Name)
	patch.PatchMAC = k.patchMAC(patch, next.Version, c.Name)
	return patch, nil
}

func encodeMutation(keyID []byte, k keys, m Mutation, now int64) (*waServerSync.SyncdMutation, error) {
	index, err := json.Marshal(m.Index)
	if err != nil {
		return nil, fmt.Errorf("encode an index: %w", err)
	}
	value := &waSyncAction.SyncActionValue{}
	proto.Merge(value, m.Value)
	value.Timestamp = &now
	plain, err := proto.Marshal(&waSyncAction.SyncActionData{Index: index, Value: value, Padding: []byte{}, Version: &m.Version})
	if err != nil {
		return nil, fmt.Errorf("encode a value: %w", err)
	}
	content, err := seal(k.value, plain)
	if err != nil {
		return nil, err
	}
	operation := waServerSync.SyncdMutation_SET
	if m.Remove {
		operation = waServerSync.SyncdMutation_REMOVE
	}
	return &waServerSync.SyncdMutation{
		Operation: operation.Enum(),
		Record: &waServerSync.SyncdRecord{
			Index: &waServerSync.SyncdIndex{Blob: mac(sha256.New, k.index, index)},
			Value: &waServerSync.SyncdValue{Blob: append(content, k.contentMAC(operation, content, keyID)...)},
			KeyID: &waServerSync.KeyId{ID: keyID},
		},
	}, nil
}

// Apply applies a patch that has its version, and returns the mutations that could be read. What cannot be read, for
// lack of a key or because of a wrong MAC, is left out and reported in the error. The collection still advances to the
// patch's version, so that later patches can be made and read. Only a malformed patch (ErrShape) changes nothing.
func (c *Collection) Apply(patch *waServerSync.SyncdPatch, lookup Lookup) ([]Mutation, error) {
	if err := Check(patch); err != nil {
		return nil, err
	}
	if err := c.apply(patch.GetMutations()); err != nil {
		return nil, err
	}
	c.Version = patch.GetVersion().GetVersion()
	key, ok := lookup(patch.GetKeyID().GetID())
	if !ok {
		return nil, fmt.Errorf("patch %d: %w", c.Version, ErrUnknownKey)
	}
	k, err := key.expand()
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(patch.GetSnapshotMAC(), k.snapshotMAC(&c.hash, c.Version, c.Name)) {
		return nil, fmt.Errorf("patch %d: snapshot: %w", c.Version, ErrMAC)
	}
	if !hmac.Equal(patch.GetPatchMAC(), k.patchMAC(patch, c.Version, c.Name)) {
		return nil, fmt.Errorf("patch %d: %w", c.Version, ErrMAC)
	}
	var read []Mutation
	var failed []error
	for i, mutation := range patch.GetMutations() {
		m, err := decode(mutation, lookup)
		if err != nil {
			failed = append(failed, fmt.Errorf("patch %d: mutation %d: %w", c.Version, i+1, err))
			continue
		}
		read = append(read, m)
	}
	return read, errors.Join(failed...)
}

// Restore loads all records of a collection at a version, such as those of a snapshot, and returns them as mutations.
// Records that cannot be read are left out and reported in the error.
func (c *Collection) Restore(version uint64, records []*waServerSync.SyncdRecord, lookup Lookup) ([]Mutation, error) {
	var read []Mutation
	var failed []error
	for _, record := range records {
		if err := checkRecord(record); err != nil {
			return nil, err
		}
		mutation := &waServerSync.SyncdMutation{Operation: waServerSync.SyncdMutation_SET.Enum(), Record: record}
		if err := c.apply([]*waServerSync.SyncdMutation{mutation}); err != nil {
			return nil, err
		}
		m, err := decode(mutation, lookup)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		read = append(read, m)
	}
	c.Version = version
	return read, errors.Join(failed...)
}

// decode decrypts one mutation. The shape of its record has been checked.
func decode(mutation *waServerSync.SyncdMutation, lookup Lookup) (Mutation, error) {
	record := mutation.GetRecord()
	keyID := record.GetKeyID().GetID()
	key, ok := lookup(keyID)
	if !ok {
		return Mutation{}, ErrUnknownKey
	}
	k, err := key.expand()
	if err != nil {
		return Mutation{}, err
	}
	blob := record.GetValue().GetBlob()
	content := blob[:len(blob)-macSize]
	if !hmac.Equal(valueMACOf(record), k.contentMAC(mutation.GetOperation(), content, keyID)) {
		return Mutation{}, fmt.Errorf("value: %w", ErrMAC)
	}
	plain, err := open(k.value, content)
	if err != nil {
		return Mutation{}, err
	}
	var data waSyncAction.SyncActionData
	if err = proto.Unmarshal(plain, &data); err != nil {
		return Mutation{}, fmt.Errorf("%w: value: %w", ErrShape, err)
	}
	if !hmac.Equal(record.GetIndex().GetBlob(), mac(sha256.New, k.index, data.GetIndex())) {
		return Mutation{}, fmt.Errorf("index: %w", ErrMAC)
	}
	m := Mutation{Remove: mutation.GetOperation() == waServerSync.SyncdMutation_REMOVE, Value: data.GetValue(), Version: data.GetVersion()}
	if err = json.Unmarshal(data.GetIndex(), &m.Index); err != nil || len(m.Index) == 0 {
		return Mutation{}, fmt.Errorf("%w: index", ErrShape)
	}
	return m, nil
}

// Record is one decrypted entry with the MAC of its encrypted value. Devices ask for records if they cannot read their
// own copy.
type Record struct {
	KeyID []byte
	MAC   []byte
	Data  *waSyncAction.SyncActionData
}

// Open decrypts records. Those that cannot be read are left out and reported in the error.
func Open(records []*waServerSync.SyncdRecord, lookup Lookup) ([]Record, error) {
	var all []Record
	var failed []error
	for _, record := range records {
		m, err := decode(&waServerSync.SyncdMutation{Operation: waServerSync.SyncdMutation_SET.Enum(), Record: record}, lookup)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		index, err := json.Marshal(m.Index)
		if err != nil {
			return nil, fmt.Errorf("encode an index: %w", err)
		}
		all = append(all, Record{
			KeyID: record.GetKeyID().GetID(), MAC: valueMACOf(record),
			Data: &waSyncAction.SyncActionData{Index: index, Value: m.Value, Version: &m.Version},
		})
	}
	return all, errors.Join(failed...)
}

// seal encrypts with AES-256 in CBC mode and PKCS #7 padding, and puts the initialisation vector in front.
func seal(key, plain []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	sealed := make([]byte, ivSize+len(plain)+padding, ivSize+len(plain)+padding+macSize)
	// crypto/rand.Read never fails: it ends the program when the system has no random numbers.
	_, _ = rand.Read(sealed[:ivSize])
	copy(sealed[ivSize:], plain)
	for i := ivSize + len(plain); i < len(sealed); i++ {
		sealed[i] = byte(padding)
	}
	cipher.NewCBCEncrypter(block, sealed[:ivSize]).CryptBlocks(sealed[ivSize:], sealed[ivSize:])
	return sealed, nil
}

// open decrypts what seal encrypted. The MAC was checked, so only a holder of the keys can have encrypted it.
func open(key, sealed []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	plain := make([]byte, len(sealed)-ivSize)
	cipher.NewCBCDecrypter(block, sealed[:ivSize]).CryptBlocks(plain, sealed[ivSize:])
	padding := int(plain[len(plain)-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, fmt.Errorf("%w: padding", ErrShape)
	}
	return plain[:len(plain)-padding], nil
}
