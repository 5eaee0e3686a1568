import { printable } from './printable.js'
import { UsageError } from './usage-error.js'

const HELP: Readonly<Record<string, string>> = {
  upload: `Sends files and folders to Lading, or another tus server, and proves that they arrived.

  lading upload FILE|DIR|-… --to URL [flags]

  --to URL
      the creation URL, such as https://up.example/files; a ?grant= in it works
  --name NAME
      the file name of standard input, which the path - stands for; ./- is a file of that name
  -p, --parallel N (default: 3)
      files at once, 1 to 100
  -H, --header 'Name: value', or --header @FILE
      a header for every request; @FILE reads lines from a file, which hides secrets from the list of processes
  --grant TOKEN, LADING_GRANT, LADING_GRANT_FILE
      a grant; the variables hide it from the list of processes

Folders are sent with all that is in them; relativePath in the metadata says where each file was. Links are followed.
After Ctrl-C, a crash or a broken connection, give the same command again: it goes on where it stopped. What was begun
stands in lading/uploads.db in the state folder of the user (XDG_STATE_HOME, or ~/.local/state), for 30 days. Standard
input is the exception: it cannot be read again, so only a broken connection is resumed, from the last 8 MiB.
For each file one line is printed: its name, its URL and its SHA-256, which is computed here and is that of the server.

It exits with 0 when every file is on the server, 1 when one is not or differs, 2 for wrong arguments, 130 after Ctrl-C.
`,
  check: `Proves every finished file against its digest, and looks for what is missing, foreign or damaged.

  lading check [--rate 50MiB] [--json] [flags of the server]

  --rate SIZE (default: no limit)
      bytes to read in a second, at most
  --json
      print each finding, and the sum at the end, as a line of JSON
  --data-dir DIR, LADING_DATA_DIR (default: ./data)
      the data folder

It changes nothing, and it may run beside the server. For each finding one line is printed:
  missing   a record or a sidecar without its bytes
  damaged   bytes that do not match their length, digest or checkpoint, or have no sidecar that can be read;
            a record that says finished where the sidecar does not
  foreign   a file in the folder of uploads that belongs to no upload

It exits with 0 when all is right, 1 when something was found, 2 for wrong arguments, 130 after Ctrl-C.
`,
  'migrate-tusd': `Takes over the data folder of tusd: the files and their .info. The ids stay, so clients go on at the same URLs.

  lading migrate-tusd DIR [--dry-run] [flags of the server]

  DIR
      the folder that tusd was given as -upload-dir
  --dry-run
      print what would happen, and change nothing
  --data-dir DIR, LADING_DATA_DIR (default: ./data)
      Lading's data folder
  --base-path PATH, LADING_BASE_PATH (default: /files)
      the same path as tusd's -base-path, without the slash at the end

Stop tusd first, and Lading too. Files are moved; on another disk they are copied, flushed, and removed from DIR.
Every upload is read once, for its SHA-256. If it is interrupted, give the same command again.

It exits with 0 when everything was taken over, 1 when something was left, 2 for wrong arguments, 130 after Ctrl-C.
`,
  reindex: `Rebuilds the database from the files, then exits. It may run beside the server.

  lading reindex [flags of the server]

  --data-dir DIR, LADING_DATA_DIR (default: ./data)
      the data folder
`,
}

/**
 * The text that `lading help COMMAND` or `lading COMMAND --help` asks for; undefined where no command's help is asked
 * for. Throws UsageError for a command that does not exist.
 */
export function commandHelp(argv: readonly string[]): string | undefined {
  const [first = '', second, ...more] = argv
  if (first === 'help') {
    if (second === undefined || more.length > 0) return undefined
    if (Object.hasOwn(HELP, second)) return HELP[second]
    throw new UsageError(`${printable(second)} is not a command; see lading --help`)
  }
  const rest = argv.slice(1)
  const end = rest.indexOf('--')
  const flags = end === -1 ? rest : rest.slice(0, end)
  if (!Object.hasOwn(HELP, first) || !flags.some((flag) => flag === '--help' || flag === '-h'))
    return undefined
  return HELP[first]
}
