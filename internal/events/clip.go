package events

import (
	"encoding/json"

	"wasup/internal/message"
)

// MaxData is the maximum size of an event's Data, in bytes. What Encode returns is smaller. Databases of earlier versions
// have larger events, which the store shortens when it reads them.
const MaxData = 2 << 20

// Encode returns the JSON of an event's data. Whatever a stranger chose in it is bounded by message.Clip; Truncated says
// so.
func Encode(data any) (json.RawMessage, error) {
	switch d := data.(type) {
	case MessageData:
		clipped, cut := message.Clip(d)
		clipped.Truncated = d.Truncated || cut
		return json.Marshal(clipped)
	case ReceiptData:
		clipped, cut := message.Clip(d)
		clipped.Truncated = d.Truncated || cut
		return json.Marshal(clipped)
	case CallData:
		clipped, cut := message.Clip(d)
		clipped.Truncated = d.Truncated || cut
		return json.Marshal(clipped)
	case GroupData:
		clipped, cut := message.Clip(d)
		clipped.Truncated = d.Truncated || cut
		return json.Marshal(clipped)
	case TimerData:
		clipped, cut := message.Clip(d)
		clipped.Truncated = d.Truncated || cut
		return json.Marshal(clipped)
	case StatusData: // its texts are wasup's own, except the last one
		d.Error = message.FirstCharacters(d.Error, 1024)
		return json.Marshal(d)
	default:
		return json.Marshal(data)
	}
}

// Shorten returns the data of a stored event that is larger than MaxData as Encode would have written it.
func Shorten(of Type, data json.RawMessage) json.RawMessage {
	if len(data) <= MaxData {
		return data
	}
	var short json.RawMessage
	var err error
	switch of {
	case TypeReceipt:
		short, err = reencoded[ReceiptData](data)
	case TypeStatus:
		short, err = reencoded[StatusData](data)
	case TypeCall:
		short, err = reencoded[CallData](data)
	case TypeTimer:
		short, err = reencoded[TimerData](data)
	case TypeAccountChanged: // only a device's addresses, which WhatsApp chooses
		short, err = reencoded[AccountChangedData](data)
	case TypeGroup:
		short, err = reencoded[GroupData](data)
	default:
		short, err = reencoded[MessageData](data)
	}
	if err != nil {
		return json.RawMessage(`{"truncated":true}`)
	}
	return short
}

func reencoded[T any](data json.RawMessage) (json.RawMessage, error) {
	var decoded T
	if err := json.Unmarshal(data, &decoded); err != nil {
		return nil, err
	}
	return Encode(decoded)
}
