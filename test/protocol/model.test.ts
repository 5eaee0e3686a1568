import { suite } from 'uvu'
import { FolderServer, type ModelServer } from './model-server.js'
import { tellStories } from './model-stories.js'

const test = suite<{ server: ModelServer }>('model')

const TIME_MS = 30_000

test.before(async (context) => {
  context.server = await FolderServer.start()
})
test.after(({ server }) => server.end())

test('answers every sequence of requests, cuts and kills as a model of one upload and its joining does', async ({
  server,
}) => {
  await tellStories(server, TIME_MS)
})

test.run()
