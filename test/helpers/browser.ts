import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import unpacked from '@sparticuz/chromium'
import { type Browser, chromium } from 'playwright-core'
import { temporaryFolder } from './server.js'

/**
 * Not the package's own list: that one turns off the same-origin policy, and with it CORS, and puts every
 * page into one process. Tests run as root in containers, where Chromium has no sandbox.
 */
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']

/**
 * Starts the Chromium of the package @sparticuz/chromium, whatever browser the machine has besides. It is
 * unpacked into a folder of this process, which goes with it: the package itself takes a file that another
 * process is still writing for a browser.
 */
export async function startBrowser(): Promise<Browser> {
  const folder = temporaryFolder()
  const executablePath = await withVariables({ TMPDIR: folder, AWS_EXECUTION_ENV: WITH_LIBRARIES }, () =>
    unpacked.executablePath(),
  )
  const fonts = join(folder, 'fonts')
  // The package's own file names folders that are not there. Without a font Chromium shows no text, and crashes at fields.
  writeFileSync(
    join(fonts, 'fonts.conf'),
    `<fontconfig><dir>${fonts}</dir><cachedir>${join(folder, 'fonts-cache')}</cachedir></fontconfig>\n`,
  )
  const env = {
    ...environment(),
    TMPDIR: folder,
    HOME: folder,
    FONTCONFIG_PATH: fonts,
    LD_LIBRARY_PATH: join(folder, 'al2023', 'lib'),
  }
  return chromium.launch({ executablePath, args: FLAGS, env, headless: true, timeout: LAUNCH_WITHIN_MS })
}

const LAUNCH_WITHIN_MS = 60_000
/** Told so, the package unpacks NSS, NSPR and Expat too, which a bare Debian does not have. */
const WITH_LIBRARIES = 'AWS_Lambda_nodejs20.x'

function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

/** Runs with environment variables, and puts back what was there. */
async function withVariables<T>(variables: Record<string, string>, run: () => Promise<T>): Promise<T> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, variables)
  try {
    return await run()
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}
