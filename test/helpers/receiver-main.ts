/**
 * A receiver of hooks in a process of its own, plain node:http: `node receiver-main.js PORT FILE`. Each hook is a line
 * in the file when it has come, and another one when its answer has left.
 */
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'

const [port = '0', file = ''] = process.argv.slice(2)

createServer((request, response) => {
  let text = ''
  request.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  request.on('end', () => {
    const { Type, Event } = JSON.parse(text)
    const hook = `${Type} ${Event.Upload.ID}`
    appendFileSync(file, `came ${hook}\n`)
    response.on('finish', () => appendFileSync(file, `answered ${hook}\n`))
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.end('{}')
  })
}).listen(Number(port), '127.0.0.1', () => console.log('listening'))
