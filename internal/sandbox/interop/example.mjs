import makeWASocket, { WA_CERT_DETAILS, useMultiFileAuthState } from 'baileys'

const api = process.env.SANDBOX ?? 'http://127.0.0.1:3002/sandbox/v1'
const json = { method: 'POST', headers: { 'Content-Type': 'application/json' } }
const post = async (path, body) => (await fetch(api + path, { ...json, body: JSON.stringify(body) })).json()

const server = await (await fetch(api + '/server')).json()
WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(server.root_public_key, 'hex') // trust the sandbox
const phone = await post('/phones', { name: 'Ana' })
const { state, saveCreds } = await useMultiFileAuthState('credentials')

function connect() {
  const sock = makeWASocket({ auth: state, waWebSocketUrl: server.websocket_url }) // and go there
  sock.ev.on('creds.update', saveCreds)
  sock.ev.on('connection.update', ({ qr, connection, lastDisconnect }) => {
    if (qr) post(`/phones/${phone.number}/scan`, { code: qr })
    if (connection === 'open') console.log('linked as', sock.user.id)
    if (lastDisconnect?.error?.output?.statusCode === 515) connect() // a pairing ends with a new connection
  })
}
connect()
