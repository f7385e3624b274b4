// A WhatsApp-Web client that is independent of this project: the npm package baileys, driven by JSON lines.
//
// It reads commands from standard input, one on each line: {"id":1,"do":"open",...}. It answers each with
// {"id":1,"result":...} or {"id":1,"error":"..."}, and writes events as {"event":"...",...}. The output of libraries
// goes to standard error, so that it does not mix with these lines.
console.log = console.info = console.debug = console.error

import { createCipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { Agent } from 'node:https'
import { createInterface } from 'node:readline'
import makeWASocket, {
  Browsers, DisconnectReason, WAMessageStatus, WAMessageStubType, WA_CERT_DETAILS, decryptPollVote, downloadMediaMessage,
  extractMessageContent, getContentType, jidNormalizedUser, proto, useMultiFileAuthState,
} from 'baileys'
import pino from 'pino'

const logger = pino({ level: process.env.WASUP_INTEROP_LOG ?? 'fatal' }, pino.destination(2))
const tell = (line) => process.stdout.write(JSON.stringify(line) + '\n')

// Files of history and app state have no host in their path, so the library requests them from WhatsApp's host.
// Redirect these requests to the sandbox.
const elsewhere = globalThis.fetch
globalThis.fetch = (url, ...rest) => {
  const asked = new URL(url)
  if (asked.hostname.endsWith('.whatsapp.net')) asked.host = new URL(settings.url).host
  return elsewhere(asked, ...rest)
}

let sock, settings, saved
let wanted = false // whether to reconnect after a restart that the server requires
const known = new Map() // messages by id: for reactions, receipts and retries of receivers
const sending = new Set() // sends in progress: a receiver may ask for a retry before the send is done

// connect makes a socket with the stored credentials, or with new ones.
async function connect() {
  const { state, saveCreds } = await useMultiFileAuthState(settings.store)
  saved = Promise.resolve()
  sock = makeWASocket({
    logger,
    auth: state,
    waWebSocketUrl: settings.url,
    agent: settings.ca ? new Agent({ ca: settings.ca }) : undefined,
    browser: Browsers.ubuntu('Chrome'),
    // Without a full history to wait for, events come as they happen.
    syncFullHistory: false,
    shouldSyncHistoryMessage: () => settings.history,
    getMessage: asked,
  })
  sock.ev.on('creds.update', () => { saved = saved.then(saveCreds) })
  sock.ev.on('connection.update', connectionChanged)
  sock.ev.on('messages.upsert', ({ messages }) => messages.forEach(arrived))
  sock.ev.on('messages.update', (updates) => updates.forEach(changed))
  sock.ev.on('messages.reaction', (reactions) => reactions.forEach(reacted))
  sock.ev.on('messaging-history.set', ({ messages, chats, contacts }) => {
    messages.forEach(past)
    chats.forEach(chat)
    // A contact's name from app state is reported here if a history with the same contact is pending.
    contacts.filter(({ name }) => name).forEach(contact)
  })
  sock.ev.on('chats.update', (updates) => updates.forEach(chat))
  sock.ev.on('contacts.upsert', (contacts) => contacts.forEach(contact))
  sock.ev.on('groups.upsert', (groups) => groups.forEach(({ id, subject }) => tell({ event: 'group', id, text: subject })))
}

async function connectionChanged({ connection, qr, isNewLogin, lastDisconnect, receivedPendingNotifications }) {
  if (qr) tell({ event: 'qr', code: qr })
  if (isNewLogin) tell({ event: 'paired' })
  if (receivedPendingNotifications) tell({ event: 'ready', jid: sock.user.id, lid: sock.user.lid })
  if (connection !== 'close') return
  const status = lastDisconnect?.error?.output?.statusCode ?? 0
  tell({ event: 'close', status })
  // The server requires a new connection after a pairing. Every client of this library handles it like this.
  if (wanted && status === DisconnectReason.restartRequired) {
    await saved
    await connect()
  }
}

// past reports a message of the history.
function past(message) {
  known.set(message.key.id, message)
  tell({ event: 'past', id: message.key.id, fromMe: message.key.fromMe ?? false, chat: message.key.remoteJid, text: textOf(message.message) })
}

// chat reports the app state of a chat.
function chat({ id, pinned, archived, muteEndTime }) {
  const changed = { pinned: !!pinned, archived: !!archived, muted: !!muteEndTime }
  if ([pinned, archived, muteEndTime].some((value) => value !== undefined)) tell({ event: 'chat', chat: id, text: JSON.stringify(changed) })
}

function contact({ id, name }) {
  tell({ event: 'contact', id, text: name ?? '' })
}

function arrived(message) {
  known.set(message.key.id, message)
  if (message.message?.pollUpdateMessage) voted(message)
  // A receipt that comes before the library has reported our own message is part of that report.
  if (message.key.fromMe) changed({ key: message.key, update: message })
  tell({
    event: 'message',
    id: message.key.id,
    fromMe: message.key.fromMe ?? false,
    chat: message.key.remoteJid,
    text: textOf(message.message),
  })
}

// textOf returns the text or the caption of a message.
function textOf(wrapped) {
  const content = extractMessageContent(wrapped)
  const said = content?.[getContentType(content)]
  return typeof said === 'string' ? said : said?.text ?? said?.caption ?? ''
}

// changed reports the new status of a message that we sent, or an edit or a revocation.
function changed({ key, update }) {
  if (update.status !== undefined && update.status !== null) {
    tell({ event: 'status', id: key.id, status: WAMessageStatus[update.status] })
  }
  const edited = update.message?.editedMessage?.message
  if (edited) tell({ event: 'edited', id: key.id, text: textOf(edited) })
  if (update.messageStubType === WAMessageStubType.REVOKE) tell({ event: 'revoked', id: key.id })
}

function reacted({ key, reaction }) {
  tell({ event: 'reaction', id: key.id, text: reaction.text })
}

// addresses returns all addresses of the author of a message.
function addresses({ fromMe, remoteJid, remoteJidAlt, participant, participantAlt }) {
  const all = fromMe ? [sock.user.id, sock.user.lid] : participant ? [participant, participantAlt] : [remoteJid, remoteJidAlt]
  return all.filter(Boolean).map(jidNormalizedUser)
}

const secretOf = (poll) => poll.message.messageContextInfo?.messageSecret
const optionsOf = (poll) => Object.values(poll.message).find((content) => content?.options)?.options.map(({ optionName }) => optionName) ?? []
const hashOf = (name) => createHash('sha256').update(name).digest()

// voted reports the options that somebody chose. A vote does not say which addresses were used to encrypt it, so all are
// tried.
function voted({ key, message }) {
  const { pollCreationMessageKey: about, vote } = message.pollUpdateMessage
  const poll = known.get(about.id)
  if (!poll) return
  for (const pollCreatorJid of addresses(poll.key)) {
    for (const voterJid of addresses(key)) {
      try {
        const { selectedOptions } = decryptPollVote(vote, { pollCreatorJid, pollMsgId: about.id, pollEncKey: secretOf(poll), voterJid })
        const chosen = optionsOf(poll).filter((name) => selectedOptions.some((hash) => hashOf(name).equals(hash)))
        tell({ event: 'vote', id: about.id, text: chosen.join() })
        return
      } catch {
        // Try the next address.
      }
    }
  }
  tell({ event: 'vote', id: about.id, text: 'the vote cannot be decrypted' })
}

// choose encrypts a vote, because the library can only decrypt votes.
function choose(poll, names) {
  const id = poll.key.id
  const voter = jidNormalizedUser(sock.user.lid)
  const creator = addresses(poll.key).find((jid) => jid.endsWith('@lid')) ?? addresses(poll.key)[0]
  const key = hkdfSync('sha256', secretOf(poll), new Uint8Array(0), Buffer.from(id + creator + voter + 'Poll Vote'), 32)
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key), iv).setAAD(Buffer.from(`${id}\0${voter}`))
  const plain = proto.Message.PollVoteMessage.encode({ selectedOptions: names.map(hashOf) }).finish()
  const encPayload = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  return { pollCreationMessageKey: poll.key, vote: { encPayload, encIv: iv }, senderTimestampMs: Date.now() }
}

function message(id) {
  const found = known.get(id)
  if (!found) throw new Error(`no message ${id}`)
  return found
}

async function send(to, content, options) {
  const outcome = sock.sendMessage(to, content, options)
  sending.add(outcome)
  try {
    const sent = await outcome
    known.set(sent.key.id, sent)
    return { id: sent.key.id }
  } finally {
    sending.delete(outcome)
  }
}

// revive replaces {"$bytes": base64} by bytes and {"$key": id} by the key of a message.
function revive(value) {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(revive)
  if (value.$bytes !== undefined) return Buffer.from(value.$bytes, 'base64')
  if (value.$key !== undefined) return message(value.$key).key
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, revive(inner)]))
}

// asked returns the content of a message that a receiver could not decrypt.
async function asked({ id }) {
  if (!known.has(id)) await Promise.allSettled(sending)
  return known.get(id)?.message
}

const summary = ({ id, subject, participants }) => ({ id, subject, members: participants.length })

const commands = {
  // open connects to url and trusts the root key (hex). store is the folder of the credentials. history says whether to
  // read the phone's history.
  async open({ url, key, ca, store, history = false }) {
    settings = { url, ca, store, history }
    WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(key, 'hex')
    wanted = true
    await connect()
  },
  async code({ number }) {
    return { code: await sock.requestPairingCode(number) }
  },
  // close ends the connection and keeps the credentials.
  async close() {
    wanted = false
    await sock.end(undefined)
    await saved
  },
  async logout() {
    wanted = false
    await sock.logout()
  },
  text: ({ to, text }) => send(to, { text }),
  edit: ({ to, message: id, text }) => send(to, { edit: message(id).key, text }),
  revoke: ({ to, message: id }) => send(to, { delete: message(id).key }),
  // file sends data (base64) as an image, audio (a voice message) or document.
  file: ({ to, kind, data, mime, name, text }) => send(to, {
    [kind]: Buffer.from(data, 'base64'), mimetype: mime, fileName: name, caption: text,
    ...(kind === 'audio' && { ptt: true, seconds: 1 }), // the library cannot tell the length of random data
  }),
  // content sends content in the library's own form (see revive). quoted is the id of the message that it answers.
  content: ({ to, content, quoted }) => send(to, revive(content), quoted ? { quoted: message(quoted) } : {}),
  // typing shows composing, recording or paused in a chat.
  async typing({ to, state }) {
    await sock.sendPresenceUpdate(state, to)
  },
  poll: ({ to, text, options, count }) => send(to, { poll: { name: text, values: options, selectableCount: count } }),
  async vote({ to, message: id, options }) {
    return { id: await sock.relayMessage(to, { pollUpdateMessage: choose(message(id), options) }, {}) }
  },
  // chat changes a chat by app state. change is in the library's form: {pin: true}, {mute: 1000}.
  async chat({ to, change }) {
    await sock.chatModify(change, to)
  },
  async download({ message: id }) {
    return { data: (await downloadMediaMessage(message(id), 'buffer', {})).toString('base64') }
  },
  async group({ subject, members }) {
    return summary(await sock.groupCreate(subject, members))
  },
  async metadata({ group }) {
    return summary(await sock.groupMetadata(group))
  },
  // members adds, removes, promotes or demotes members of a group.
  async members({ group, change, members }) {
    const done = await sock.groupParticipantsUpdate(group, members, change)
    return { statuses: done.map(({ status }) => status) }
  },
  react: ({ to, message: id, text }) => send(to, { react: { text, key: message(id).key } }),
  async read({ message: id }) {
    await sock.readMessages([message(id).key])
  },
  async onWhatsApp({ number }) {
    const [found] = await sock.onWhatsApp(number)
    return { exists: found?.exists ?? false }
  },
  async digest() {
    await sock.digestKeyBundle()
  },
  async rotate() {
    await sock.rotateSignedPreKey()
  },
  async blocklist() {
    return { blocked: (await sock.fetchBlocklist()).length }
  },
  async privacy() {
    return await sock.fetchPrivacySettings(true)
  },
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, do: name, ...given } = JSON.parse(line)
  try {
    if (!Object.hasOwn(commands, name)) throw new Error(`no command ${name}`)
    tell({ id, result: (await commands[name](given)) ?? {} })
  } catch (err) {
    tell({ id, error: String(err?.message ?? err) })
  }
}).on('close', () => process.exit(0)) // the test has ended

tell({ event: 'started' })
