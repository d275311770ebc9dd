import { createServer } from 'node:http'
import { Webhook } from 'standardwebhooks'

const keep = (told) => console.log(told.id, told.sequence, told.event, told.data)

createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray())
  try {
    new Webhook(process.env.WEBHOOK_SECRET).verify(body, request.headers)
  } catch {
    return response.writeHead(401).end()
  }
  keep(JSON.parse(body)) // the whole of it, under its id, before it is answered
  response.writeHead(204).end()
}).listen(process.env.PORT, '127.0.0.1')
