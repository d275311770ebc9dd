// mpesa-node 0.1.3, Safaricom's own: every call of ours that it has. It encrypts the initiator's
// password itself, under the certificate that it is given.
const Mpesa = require('mpesa-node')

const house = JSON.parse(process.argv[2])
const client = new Mpesa({
  consumerKey: house.key,
  consumerSecret: house.secret,
  environment: 'sandbox',
  shortCode: house.short_code,
  initiatorName: house.initiator,
  lipaNaMpesaShortCode: house.short_code,
  lipaNaMpesaShortPass: house.pass_key,
  securityCredential: house.initiator_password,
  certPath: house.certificate
})
client.baseURL = house.base_url

async function run () {
  const told = {}
  const keep = async (call, asked) => { told[call] = (await asked).data }
  await keep('push', client.lipaNaMpesaOnline(
    Number(house.phone), 501, house.callbacks, 'NODE', 'Deposit'))
  await keep('query', client.lipaNaMpesaQuery(told.push.CheckoutRequestID))
  await keep('register', client.c2bRegister(house.confirmations, house.validations))
  await keep('simulate', client.c2bSimulate(Number(house.phone), 503, 'NODE'))
  await keep('payout', client.b2c(
    Number(house.short_code), Number(house.phone), 502, house.timeouts, house.results,
    'BusinessPayment', null, 'Conformance', 'Node'))
  await keep('status', client.transactionStatus(
    house.receipt, Number(house.short_code), 4, house.timeouts, house.results))
  await keep('balance', client.accountBalance(
    Number(house.short_code), 4, house.timeouts, house.results))
  await keep('reversal', client.reversal(
    house.receipt, house.received, house.timeouts, house.results))
  console.log(JSON.stringify(told))
}

run().catch((error) => {
  const answer = error.response ? JSON.stringify(error.response.data) : ''
  console.error(String(error), answer)
  process.exit(1)
})
