import { Arrivals } from './arrivals.js'
import { Digester } from './digester.js'
import { byId, element, setText } from './dom.js'
import { type DropLimits, Dropper } from './dropper.js'
import { type Grant, grantIn, limitsInWords } from './grant.js'
import { showInterrupted } from './interrupted.js'
import { readSettings } from './page-settings.js'
import { qrCode } from './qr.js'
import { SentFiles } from './sent-files.js'
import './style/page.css'

// The page may stand behind a proxy that puts a path before ours.
const root = new URL('../', location.href)
const settings = readSettings()
const endpoint = new URL(settings.basePath.slice(1), root)
const token = location.pathname.slice(location.pathname.lastIndexOf('/') + 1)
const grant = settings.isGrant ? grantIn(token) : undefined

if (!grant) close('This is not a drop link. Was all of it copied?')
else if (grant.expiresAt * 1000 <= Date.now()) close('The time of this drop link is over. Ask for a new one.')
else open(grant)

function open(grant: Grant): void {
  const sent = new SentFiles(grant.id, byId('sent', HTMLElement))
  const arrivals = new Arrivals({
    panel: byId('arrivals', HTMLElement),
    digester: new Digester(),
    digestOf: async () => undefined,
    linkOf: null,
  })
  const dropper = new Dropper({
    target: byId('dropper', HTMLElement),
    endpoint,
    slots: settings.slots,
    // Not in the address of uploads: addresses are kept in this browser, and in logs.
    headers: () => ({ Authorization: `Bearer ${token}` }),
    limits: limitsOf(grant, sent.count),
    arrived: (file, receipt) => {
      void arrivals.arrived(file, receipt).then((sha256) => {
        sent.add(file.name, file.data.size, sha256)
        dropper.limits = limitsOf(grant, sent.count)
      })
    },
    waiting: (file, words) => arrivals.waiting(file, words),
    sending: (file) => arrivals.sending(file),
    failed: (file, words, isFinal) => arrivals.failed(file, words, isFinal),
  })
  const limits = limitsInWords(grant, settings.maxSizeBytes)
  byId('limits', HTMLElement).replaceChildren(...limits.map((text) => element('li', {}, text)))
  showInterrupted(byId('interrupted', HTMLElement), endpoint)
  byId('qr', HTMLElement).append(qrCode(location.href, 'QR code of this page'))
}

/** The limits for Uppy. The server decides; here they only save a futile start. */
function limitsOf({ maxSize, accept, count }: Grant, sent: number): DropLimits {
  return {
    maxSize: Math.min(maxSize ?? settings.maxSizeBytes, settings.maxSizeBytes),
    accept: accept && !accept.includes('*/*') ? accept : null,
    count: count === null ? null : Math.max(0, count - sent),
  }
}

function close(words: string): void {
  byId('open', HTMLElement).hidden = true
  const closed = byId('closed', HTMLElement)
  closed.hidden = false
  setText(closed, words)
}
