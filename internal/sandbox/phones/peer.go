package phones

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/proto/waMmsRetry"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phonesync"
	"wasup/internal/sandbox/stanza"
	"wasup/internal/sandbox/syncd"
)

// maxPeerItems bounds how many messages a device may request at once.
const maxPeerItems = 100

// peerResult is one result of a device's request.
type peerResult = phonesync.Result

// companions answers requests of the phone's linked devices.
type companions struct {
	*handset

	journal *journal
	sender  *sender
	sync    *phonesync.Sync
	chats   *phoneChats
	history *phoneHistory
}

// receivePeer answers a request that a linked device sent to its phone.
func (p *companions) receivePeer(d accounts.Delivery, content *waE2E.Message) {
	dev := p.Net.Dir.Device(p.Account, d.From.Device)
	if dev == nil {
		return
	}
	request := content.GetProtocolMessage()
	told := observe.Event{Kind: observe.EventPeer, Account: p.Account.Number, Device: p.Account.JID(dev.ID).String(), Detail: request.GetType().String()}
	var err error
	switch request.GetType() {
	case waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_REQUEST:
		err = p.shareAskedKeys(dev, request.GetAppStateSyncKeyRequest())
	case waE2E.ProtocolMessage_APP_STATE_FATAL_EXCEPTION_NOTIFICATION:
		p.dropAppState()
	case waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_MESSAGE:
		operation := request.GetPeerDataOperationRequestMessage()
		told.Detail = operation.GetPeerDataOperationRequestType().String()
		err = p.answerOperation(dev, stanza.Attr(&d.Node, "id"), operation)
	default:
	}
	p.Net.Observer.Emit(told)
	if err != nil {
		p.Net.Log.Warn("phone could not answer a device", "asked", told.Detail, "err", err)
	}
}

// shareAskedKeys sends a device the app state keys that it asks for.
func (p *companions) shareAskedKeys(dev *accounts.Device, request *waE2E.AppStateSyncKeyRequest) error {
	asked := make(map[string]bool)
	for _, id := range request.GetKeyIDs() {
		asked[string(id.GetKeyID())] = true
	}
	return p.sync.ShareKeys(dev, func(k syncd.Key) bool { return asked[string(k.ID)] })
}

// dropAppState drops the app state after a device has reported that it is broken beyond repair. All devices are logged
// out, as WhatsApp does.
func (p *companions) dropAppState() {
	p.sync.Reset()
	for _, dev := range p.Net.Dir.DevicesOf(p.Account) {
		p.Net.Links.Unlink(dev, "app state was broken", true)
	}
}

// answerOperation carries out a request and answers it under the request's id.
func (p *companions) answerOperation(dev *accounts.Device, id string, request *waE2E.PeerDataOperationRequestMessage) error {
	kind := request.GetPeerDataOperationRequestType()
	var results []*peerResult
	var err error
	switch kind {
	case waE2E.PeerDataOperationRequestType_PLACEHOLDER_MESSAGE_RESEND:
		results, err = p.resend(request.GetPlaceholderMessageResendRequest())
	case waE2E.PeerDataOperationRequestType_HISTORY_SYNC_ON_DEMAND:
		// The answer is a part of the history.
		return p.sendOnDemand(dev, id, request.GetHistorySyncOnDemandRequest())
	case waE2E.PeerDataOperationRequestType_FULL_HISTORY_SYNC_ON_DEMAND:
		results, err = p.sendFullOnDemand(dev, id, request.GetFullHistorySyncOnDemandRequest().GetRequestMetadata())
	case waE2E.PeerDataOperationRequestType_COMPANION_SYNCD_SNAPSHOT_FATAL_RECOVERY:
		results, err = p.sync.Recover(request.GetSyncdCollectionFatalRecoveryRequest().GetCollectionName())
	default:
		// Link previews, stickers and requests of businesses: the phone has nothing of these.
		results = []*peerResult{{MediaUploadResult: waMmsRetry.MediaRetryNotification_NOT_FOUND.Enum()}}
	}
	if err != nil {
		return err
	}
	_, err = p.sender.sendPeer(dev, &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE.Enum(),
		PeerDataOperationRequestResponseMessage: &waE2E.PeerDataOperationRequestResponseMessage{
			PeerDataOperationRequestType: kind.Enum(), StanzaID: &id, PeerDataOperationResult: results,
		},
	})
	return err
}

// resend returns messages that a device could not read.
func (p *companions) resend(requests []*waE2E.PeerDataOperationRequestMessage_PlaceholderMessageResendRequest) ([]*peerResult, error) {
	if len(requests) > maxPeerItems {
		requests = requests[:maxPeerItems]
	}
	var results []*peerResult
	for _, request := range requests {
		found, changes, ok := p.journal.findByKey(request.GetMessageKey())
		result := &peerResult{MediaUploadResult: waMmsRetry.MediaRetryNotification_NOT_FOUND.Enum()}
		if ok {
			if web := p.history.webMessage(&found, changes); web != nil {
				encoded, err := proto.Marshal(web)
				if err != nil {
					return nil, fmt.Errorf("sandbox: encoding a message: %w", err)
				}
				result = &peerResult{PlaceholderMessageResendResponse: &waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult_PlaceholderMessageResendResponse{
					WebMessageInfoBytes: encoded,
				}}
			}
		}
		results = append(results, result)
	}
	return results, nil
}

// sendOnDemand sends the messages of a chat that are older than the oldest one of the device.
func (p *companions) sendOnDemand(dev *accounts.Device, id string, request *waE2E.PeerDataOperationRequestMessage_HistorySyncOnDemandRequest) error {
	in, err := p.Net.Groups.Chat(request.GetChatJID())
	if err != nil {
		return err
	}
	part := &waHistorySync.HistorySync{SyncType: waHistorySync.HistorySync_ON_DEMAND.Enum(), ChunkOrder: proto.Uint32(1), Progress: proto.Uint32(100)}
	list, changes := p.journal.conversations()
	for _, c := range list {
		if c.in != in {
			continue
		}
		to := oldestKnown(c.messages, request)
		from := max(0, to-min(max(int(request.GetOnDemandMsgCount()), 0), maxOnDemand))
		described := p.history.historyConversation(c, from, to, changes)
		if from > 0 {
			described.EndOfHistoryTransferType = waHistorySync.Conversation_COMPLETE_ON_DEMAND_SYNC_BUT_MORE_MSG_REMAIN_ON_PRIMARY.Enum()
		}
		part.Conversations = append(part.Conversations, described)
	}
	note := &waE2E.HistorySyncNotification{ChunkOrder: part.ChunkOrder, Progress: part.Progress, PeerDataRequestSessionID: &id}
	return p.history.sendChunk(dev, part, note, request.GetSupportInlineResponse())
}

// oldestKnown returns the position of the device's oldest message. If that message is not found, it is the position of
// the first message that is not older.
func oldestKnown(messages []Message, request *waE2E.PeerDataOperationRequestMessage_HistorySyncOnDemandRequest) int {
	for i := range messages {
		if messages[i].ID == request.GetOldestMsgID() && messages[i].FromMe == request.GetOldestMsgFromMe() {
			return i
		}
	}
	// Despite the field's name, clients write seconds (whatsmeow send.go, BuildHistorySyncRequest).
	before := time.Unix(request.GetOldestMsgTimestampMS(), 0)
	for i := range messages {
		if !messages[i].Time.Before(before) {
			return i
		}
	}
	return len(messages)
}

// sendFullOnDemand sends the whole history again.
func (p *companions) sendFullOnDemand(dev *accounts.Device, id string, asked *waE2E.FullHistorySyncOnDemandRequestMetadata) ([]*peerResult, error) {
	for _, part := range p.history.historyParts(true) {
		part.SyncType = waHistorySync.HistorySync_FULL.Enum()
		note := &waE2E.HistorySyncNotification{
			ChunkOrder: part.ChunkOrder, Progress: part.Progress, PeerDataRequestSessionID: &id, FullHistorySyncOnDemandRequestMetadata: asked,
		}
		if err := p.history.sendChunk(dev, part, note, false); err != nil {
			return nil, err
		}
	}
	return []*peerResult{{FullHistorySyncOnDemandRequestResponse: &waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult_FullHistorySyncOnDemandRequestResponse{
		RequestMetadata: asked,
		ResponseCode:    waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult_REQUEST_SUCCESS.Enum(),
	}}}, nil
}

// greet gives a newly linked device the app state keys and the phone's history.
func (p *companions) greet(dev *accounts.Device) {
	if dev == nil || dev.Greeted.Load() {
		return
	}
	if err := p.chats.beginSync(); err != nil {
		p.Net.Log.Warn("phone could not create its app state", "err", err)
	}
	dev.Greeted.Store(true)
	if _, withheld := p.Net.Faults.Strike(faults.WithholdSyncKeys, dev); !withheld {
		if err := p.sync.ShareKeys(dev, func(syncd.Key) bool { return true }); err != nil {
			p.Net.Log.Warn("phone could not share its app state keys", "err", err)
		}
	}
	p.history.sendHistory(dev)
}
