import { Api } from './api.js'
import { Arrivals } from './arrivals.js'
import { confirmed, prepareDialogs } from './dialogs.js'
import { Digester } from './digester.js'
import { announce, byId, element, setText } from './dom.js'
import { DropLinkDialog } from './drop-link-dialog.js'
import { Dropper } from './dropper.js'
import { Filters } from './filters.js'
import { bytes } from './format.js'
import { showInterrupted } from './interrupted.js'
import { LinkDialog } from './link-dialog.js'
import { Live } from './live.js'
import { Operator } from './operator.js'
import { readSettings } from './page-settings.js'
import { mayComeBack, Refusal, wordsOf } from './refusal.js'
import { Session } from './session.js'
import { SignIn } from './sign-in.js'
import './style/page.css'
import type { UploadRow } from './api.js'
import { nameOf } from './upload-line.js'
import { UploadsList } from './uploads-list.js'

const SHOWN_AGAIN_AFTER_MS = 3_000

// The page may stand behind a proxy that puts a path before ours.
const root = new URL('./', location.href)
const settings = readSettings()
const endpoint = new URL(settings.basePath.slice(1), root)
const session = new Session()
const api = new Api(root, () => session.key)

let isListed = false
let again: ReturnType<typeof setTimeout> | undefined

const operator = new Operator(api)
const links = new LinkDialog(api)
const dropLinks = new DropLinkDialog(api)
const list = new UploadsList({
  load: (query, signal) => api.list(query, signal),
  filters: new Filters(),
  tools: { download, link, remove },
  refused: (error) => {
    if (error instanceof Refusal && error.isForKey) signIn.ask()
    if (!isListed && mayComeBack(error)) showAgain()
  },
})
const live = new Live({
  open: (lastId, signal) => api.events(lastId, signal),
  changed: (kind, row) => {
    list.changed(kind, row)
    operator.changed(kind, row)
  },
  missed: () => {
    list.reloadSoon()
    operator.askSoon()
  },
  connected: (isConnected) => operator.connected(isConnected),
})
const signIn = new SignIn({
  session,
  needsToken: settings.needsToken,
  changed: () => void show(),
})
const arrivals = new Arrivals({
  panel: byId('arrivals', HTMLElement),
  digester: new Digester(),
  digestOf: async (url) => (await api.upload(idIn(url))).sha256 ?? undefined,
  linkOf: addressOf,
})

prepareDialogs()
new Dropper({
  target: byId('dropper', HTMLElement),
  endpoint,
  slots: settings.slots,
  headers: () => api.headers(),
  limits: {
    maxSize: settings.maxSizeBytes,
    accept: null,
    count: null,
  },
  arrived: (file, receipt) => void arrivals.arrived(file, receipt),
  waiting: (file, words) => arrivals.waiting(file, words),
  sending: (file) => arrivals.sending(file),
  failed: (file, words, isFinal) => arrivals.failed(file, words, isFinal),
})
setText(byId('limits', HTMLElement), limitsInWords())
showInterrupted(byId('interrupted', HTMLElement), endpoint)
byId('new-drop-link', HTMLElement).addEventListener('click', () => dropLinks.open())
void show()

/** Shows what whoever asks now may see: first who that is, because each refused request counts against an address. */
async function show(): Promise<void> {
  clearTimeout(again)
  isListed = false
  live.stop()
  list.clear()
  signIn.settle()
  const isAdmin = await operator.show()
  byId('new-drop-link', HTMLElement).hidden = !isAdmin
  isListed = await list.show()
  byId('uploads-tools', HTMLElement).hidden = !isListed
  if (isListed) live.start()
}

function showAgain(): void {
  clearTimeout(again)
  again = setTimeout(() => void show(), SHOWN_AGAIN_AFTER_MS)
}

function limitsInWords(): string {
  const types = settings.accept.length === 0 ? '' : ` of the types ${settings.accept.join(', ')}`
  const most = bytes(settings.maxSizeBytes)
  return `Files up to ${most}${types}. When the connection breaks, they go on where they stopped.`
}

function idIn(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1)
}

function plainAddress(id: string): string {
  return `${endpoint.href}/${id}`
}

/** An address that others can open. Where uploads have owners, only a signed one can be. */
async function addressOf(url: string): Promise<string> {
  if (!settings.needsToken) return plainAddress(idIn(url))
  return (await api.link(idIn(url), 7 * 86_400)).url
}

function link(row: UploadRow): void {
  links.open(row)
}

/** A browser sends no key with a download: the address has to have one. */
function download(row: UploadRow): void {
  const isOpen = session.key === null
  const address = isOpen ? Promise.resolve(plainAddress(row.id)) : api.link(row.id, 60).then(({ url }) => url)
  address.then(
    (url) => {
      // Without `download` a browser shows pictures and text in this tab.
      const anchor = Object.assign(document.createElement('a'), { href: url, download: nameOf(row) })
      anchor.click()
    },
    (error: unknown) => announceProblem(error),
  )
}

async function removed(row: UploadRow): Promise<void> {
  const name = nameOf(row)
  const isSure = await confirmed(
    ['Delete ', element('bdi', {}, name), '?'],
    'The file is removed from the server for good.',
    'Delete',
  )
  if (!isSure) return
  await api.remove(row.id)
  announce(`${name} is deleted`)
  list.removed()
}

function remove(row: UploadRow): void {
  removed(row).catch((error: unknown) => announceProblem(error))
}

function announceProblem(error: unknown): void {
  const problem = byId('problem', HTMLElement)
  setText(problem, wordsOf(error))
  problem.hidden = false
  setTimeout(() => {
    problem.hidden = true
  }, 8_000)
}
