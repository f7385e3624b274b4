package admin

import (
	"encoding/json"
	"time"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
)

// The examples of the OpenAPI document. They are values of the API's own types, so
// an example with a field that no longer exists does not compile.

const (
	exampleDevice = "4915112345678:1@s.whatsapp.net"

	exampleAssertionRequest = `{"challenge":"q83vEjRWeJA","rpId":"whatsapp.com","allowCredentials":[{"id":"EjRWeJCrze8","type":"public-key"}]}`
	exampleAssertion        = `{"id":"EjRWeJCrze8","rawId":"EjRWeJCrze8","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"MEUCIQ"}}`
)

func exampleTime() time.Time { return time.Date(2026, time.March, 1, 9, 30, 0, 0, time.UTC) }

func exampleIndex() indexBody {
	return indexBody{"wasup sandbox", []indexRoute{{[]string{"GET"}, Prefix + "/counters", "Get the counters"}}}
}

func exampleServer() serverBody {
	return serverBody{
		WebSocketURL:  "ws://127.0.0.1:3003/ws/chat",
		RootPublicKey: "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
		Version:       "v1.0.0",
	}
}

func examplePhone() phoneBody {
	return phoneBody{
		Number: "4915112345678", Name: "Carla", Script: string(phones.ScriptEcho),
		JID: "4915112345678@s.whatsapp.net", LID: "104857600000001@lid", Online: true, Delay: "0s",
		Devices: []deviceBody{{JID: exampleDevice, LID: "104857600000001:1@lid", Platform: "Chrome", Connected: true}},
	}
}

func exampleMessage() messageBody {
	return messageBody{
		ID: "3EB0C43BC97104D0E81A2B", Chat: "34600111222@s.whatsapp.net", From: "4915112345678@s.whatsapp.net",
		To: "34600111222@s.whatsapp.net", FromMe: true, Type: "text", Text: "hola", Time: exampleTime(),
		Status: string(phones.StatusRead), Copies: 1, Kind: "text",
	}
}

func exampleRaw() rawBody {
	return rawBody{
		Parts: []rawPartBody{{exampleDevice, exampleTime(), "msg", []byte("\n\x04hola"), json.RawMessage(`{"conversation":"hola"}`)}},
		Stanzas: []stanzaBody{{
			Device: exampleDevice, Time: exampleTime(), Tag: "message", ID: exampleMessage().ID,
			XML: `<message id="3EB0C43BC97104D0E81A2B" to="104857600000001@lid" type="text"><participants>...</participants></message>`, Data: []byte{0},
		}},
	}
}

func exampleGroup() groupBody {
	return groupBody{
		JID: "120363000000000001@g.us", Subject: "Turno de noche", Creator: "4915112345678@s.whatsapp.net", Created: exampleTime(), Addressing: "lid",
		Members: []memberBody{{"4915112345678@s.whatsapp.net", "104857600000001@lid", "superadmin"}}, Requests: []string{},
	}
}

func exampleFile() mediaFileBody {
	return mediaFileBody{
		ID: "3f2a9c", Type: "image", Account: "4915112345678", Size: 48213, DirectPath: "/v/t62.7118-24/3f2a9c", Uploaded: exampleTime(), Downloads: 1,
	}
}

func exampleScenario() scenarioBody {
	return scenarioBody{
		ID: "1", Name: "outage", About: "The server is away for five seconds, twice.", State: string(sandbox.ScenarioRunning), Speed: 1,
		Began: exampleTime(), Steps: 2, Taken: 1, Elapsed: "9s", Next: "30s", Reports: []stepBody{{At: "3s", Line: 6, What: "server restarted"}},
	}
}

func exampleEvent() observe.Event {
	return observe.Event{Time: exampleTime(), Kind: observe.EventLoggedIn, Account: "4915112345678", Device: exampleDevice, Conn: 7}
}

func exampleCounters() observe.Counters {
	return observe.Counters{
		ConnectionsOpen: 1, ConnectionsTotal: 2, Pairings: 1, Logins: 1, MessagesOut: 3, Acks: 3, Receipts: 3,
		Malformed: map[string]int64{}, UnknownQueries: map[string]int64{}, Faults: map[string]int64{string(faults.LoginFailure): 2},
	}
}
