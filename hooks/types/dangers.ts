import { typesOfExtension } from './extensions.js'
import { canonicalType } from './names.js'

/** Types that an operating system, a runtime or a browser runs when it opens the file, with their names for people. */
const DANGERS: ReadonlyMap<string, string> = new Map([
  ['application/x-elf', 'an ELF executable'],
  ['application/x-msdownload', 'a Windows or DOS executable'],
  ['application/x-mach-binary', 'a Mach-O executable'],
  ['application/java-vm', 'a compiled Java class'],
  ['application/wasm', 'a WebAssembly module'],
  ['application/x-msi', 'a Windows installer'],
  ['application/x.ms.shortcut', 'a Windows shortcut'],
  ['application/x-mswinurl', 'a Windows shortcut to an address'],
  ['application/x-ms-console', 'a Windows management console'],
  ['application/x-desktop', 'a desktop entry, which starts a program'],
  ['application/x-ms-regedit', 'a Windows registry script'],
  ['application/x-bat', 'a Windows batch script'],
  ['application/x-powershell', 'a PowerShell script'],
  ['application/x-wsf', 'a script of Windows Script Host'],
  ['text/vbscript', 'a VBScript'],
  ['application/hta', 'an HTML application'],
  ['application/x-ms-application', 'a ClickOnce application'],
  ['application/x-java-jnlp-file', 'a Java Web Start file'],
  ['application/vnd.ms-htmlhelp', 'a compiled HTML help file'],
  ['application/x-shockwave-flash', 'a Flash movie'],
  ['application/x-httpd-php', 'a PHP script'],
  ['application/x-server-page', 'a page with code for a server'],
  ['text/x-shellscript', 'a script with an interpreter line'],
  ['text/html', 'an HTML document'],
  ['application/xhtml+xml', 'an XHTML document'],
  ['application/x-mimearchive', 'a saved HTML document'],
  ['text/x-component', 'an HTML component'],
  ['application/vnd.mozilla.xul+xml', 'a XUL document'],
  ['application/java-archive', 'a Java program'],
  ['application/vnd.android.package-archive', 'an Android app'],
  ['application/x-ios-app', 'an iOS app'],
  ['application/x-google-chrome-extension', 'a browser extension'],
  ['application/x-xpinstall', 'a browser extension'],
  ['application/vsix', 'an editor extension'],
  ['application/appx', 'a Windows app'],
  ['application/msix', 'a Windows app'],
  ['application/appxbundle', 'a Windows app'],
  ['application/msixbundle', 'a Windows app'],
  ['application/appinstaller', 'a Windows app'],
])

/** Extensions that make a system run the file. `mime` has few of them. */
const DANGEROUS_EXTENSIONS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'text/html': 'html htm shtml shtm stm dhtml',
    'application/xhtml+xml': 'xhtml xht xhtm',
    'application/hta': 'hta',
    'text/x-component': 'htc',
    'application/x-mimearchive': 'mht mhtml',
    'application/x-msdownload': 'exe com scr pif cpl xll',
    'application/x-msi': 'msi msp mst',
    'application/x-bat': 'bat cmd',
    'application/x-powershell': 'ps1 psm1 psd1 ps1xml psc1',
    'text/vbscript': 'vbs vbe',
    'application/x-wsf': 'wsf wsh wsc sct jse',
    'application/x.ms.shortcut':
      'lnk scf library-ms search-ms searchconnector-ms settingcontent-ms appcontent-ms',
    'application/x-mswinurl': 'url website inetloc fileloc',
    'application/x-ms-console': 'msc',
    'application/x-desktop': 'desktop',
    'application/x-ms-regedit': 'reg',
    'application/x-ms-application': 'application appref-ms xbap',
    'application/x-java-jnlp-file': 'jnlp',
    'application/vnd.ms-htmlhelp': 'chm',
    'application/x-shockwave-flash': 'swf',
    'application/x-httpd-php': 'php php3 php4 php5 php7 php8 phps phtml phar',
    'application/x-server-page': 'asp aspx asa ashx asmx ascx jsp jspx jspf cfm cgi',
    'text/x-shellscript': 'sh bash zsh ksh csh tcsh fish command tool',
    'application/java-archive': 'jar war ear',
    'application/vnd.android.package-archive': 'apk apks xapk apkm aab',
    'application/x-ios-app': 'ipa',
    'application/x-google-chrome-extension': 'crx',
    'application/x-xpinstall': 'xpi',
    'application/vsix': 'vsix',
    'application/appx': 'appx',
    'application/msix': 'msix',
    'application/appxbundle': 'appxbundle',
    'application/msixbundle': 'msixbundle',
    'application/java-vm': 'class',
    'application/wasm': 'wasm',
  }).flatMap(([type, extensions]) => extensions.split(' ').map((extension) => [extension, type])),
)

/** Programs that are zips. `java` finds the program at the end of a file, whatever the file begins with. */
const ZIPS: ReadonlySet<string> = new Set([
  'application/java-archive',
  'application/vnd.android.package-archive',
  'application/x-ios-app',
  'application/x-google-chrome-extension',
  'application/x-xpinstall',
  'application/vsix',
  'application/appx',
  'application/msix',
  'application/appxbundle',
  'application/msixbundle',
])
const COMPOUND_FILES: ReadonlySet<string> = new Set(['application/x-msi'])
/** Types whose readers skip what they do not understand: to them a file of any format may also be a program. */
const RUN_ANYTHING: ReadonlySet<string> = new Set([
  'application/hta',
  'application/x-bat',
  'application/java-archive',
])
const HTML: ReadonlySet<string> = new Set(['text/html', 'application/x-mimearchive', 'text/x-component'])

/** What the bytes of a file leave open: which declared types and names they cannot contradict. */
export type Openness = 'text' | 'unseen' | 'zip' | 'compound file' | 'exact' | 'exact, with HTML in it'

/** Says what makes a type executable or active content, or null; SVG and XML are judged by their content instead. */
export function dangerOf(type: string): string | null {
  return DANGERS.get(canonicalType(type)) ?? null
}

/**
 * The dangerous type that the declared type or the name gives a file, if its bytes could be run as that type.
 *
 * @param declared a canonical type
 * @param extension in lower case
 * @returns null if neither is dangerous, or if no reader would run these bytes
 */
export function calledDanger(openness: Openness, declared: string, extension: string): string | null {
  const byName = DANGEROUS_EXTENSIONS.get(extension) ?? typesOfExtension(extension).find(isDanger)
  const called = [declared, byName ?? ''].filter(isDanger)
  if (openness === 'text' || openness === 'unseen') return called[0] ?? null
  if (openness === 'zip') return called.find((type) => ZIPS.has(type) || RUN_ANYTHING.has(type)) ?? null
  if (openness === 'compound file') return called.find((type) => COMPOUND_FILES.has(type)) ?? null
  if (byName !== undefined && RUN_ANYTHING.has(byName)) return byName
  return openness === 'exact, with HTML in it' ? (called.find((type) => HTML.has(type)) ?? null) : null
}

function isDanger(type: string): boolean {
  return DANGERS.has(type)
}
