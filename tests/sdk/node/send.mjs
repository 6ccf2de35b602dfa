// Every call of Segment's SDK for Node. Arguments: ingest's address, the write key. Prints what failed, as JSON lines.
import { Analytics } from '@segment/analytics-node'

const [host, writeKey] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey, flushInterval: 200 })
analytics.on('error', (error) => console.log(JSON.stringify({ code: error.code, reason: String(error.reason) })))
analytics.on('http_response', (response) => console.log(JSON.stringify({ status: response.status })))

analytics.track({
  userId: 'u-1',
  event: 'Order Completed',
  timestamp: new Date('2026-01-01T10:00:00Z'),
  properties: {
    order_id: 'o-1', total: 30.5, currency: 'EUR',
    products: [{ product_id: 'a', sku: 'A-1', name: 'Engine', price: 30.5, quantity: 1 }],
  },
  messageId: 'm-track',
})
analytics.identify({ userId: 'u-1', traits: { email: 'Ada@Example.com', firstName: 'Ada' }, messageId: 'm-identify' })
analytics.page({ userId: 'u-1', name: 'Home', properties: { url: 'https://example.com/?gclid=g-1' }, messageId: 'm-page' })
analytics.screen({ userId: 'u-1', name: 'Main', messageId: 'm-screen' })
analytics.group({ userId: 'u-1', groupId: 'g-1', traits: { name: 'Engines', employees: 12 }, messageId: 'm-group' })
analytics.alias({ userId: 'u-1', previousId: 'device-7', messageId: 'm-alias' })
analytics.track({ anonymousId: 'device-8', event: 'Pricing Compared', messageId: 'm-anonymous' })
analytics.track({
  userId: 'u-2',
  event: 'Signed Up',
  properties: { email: 'bob@example.com', first_name: 'Bob' },
  context: { ip: '8.8.8.8', locale: 'de' },
  messageId: 'm-lead',
})
await analytics.closeAndFlush({ timeout: 60_000 })
