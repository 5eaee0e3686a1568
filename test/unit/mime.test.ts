import { FileTypeParser } from 'file-type'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { mimeOf } from '../../hooks/types/mime.js'

const test = suite('mime')

const XML = '<?xml version="1.0"?><feed/>'
const HEADS: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(512, 'x'),
  'a text of one byte a character': Buffer.from('OggS\x00\x02 and more of it', 'latin1'),
  'XML in UTF-16, low byte first': Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(XML, 'utf16le')]),
  'XML in UTF-16, high byte first': Buffer.concat([
    Buffer.from([0xfe, 0xff]),
    Buffer.from(XML, 'utf16le').swap16(),
  ]),
  'a text behind other bytes': Buffer.from('....ftypheic....mif1heic', 'latin1'),
}

for (const [name, head] of Object.entries(HEADS)) {
  test(`sees what file-type alone sees: ${name}`, async () => {
    const alone = await new FileTypeParser().fromBuffer(head)
    assert.is(await mimeOf(head), alone?.mime)
    // Again, with the arrays that the first time has left.
    assert.is(await mimeOf(head), alone?.mime)
  })
}

test.run()
