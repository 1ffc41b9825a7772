// The helpers of OpenAI's client for Node: node helpers.mjs FOLDER URL KEY, FOLDER having node_modules/openai.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const [folder, baseURL, apiKey] = process.argv.slice(2);
const { default: OpenAI, toFile } = createRequire(`${folder}/x.js`)('openai');
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const { beta } = client;
const WEATHER = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};
const QUESTION = { messages: [{ role: 'user', content: 'How is the weather in Oslo?' }] };

// Returns what a stream told by the time it ended.
async function heard(stream) {
  const told = { events: [], names: [], text: '', argued: '' };
  stream
    .on('event', (event) => told.events.push(event.event))
    .on('textCreated', () => told.names.push('text created'))
    .on('textDelta', (delta, snapshot) => {
      told.text += delta.value ?? '';
      assert.equal(snapshot.value, told.text);
    })
    .on('textDone', (text) => {
      assert.equal(text.value, told.text);
      told.names.push('text done');
    })
    .on('messageDone', (message) => told.names.push(`message ${message.status}`))
    .on('toolCallCreated', (call) => told.names.push(`${call.function.name} created`))
    .on('toolCallDelta', (delta) => (told.argued += delta.function.arguments ?? ''))
    .on('toolCallDone', (call) => {
      assert.equal(call.function.arguments, told.argued);
      told.names.push('call done');
    })
    .on('runStepDone', (step) => told.names.push(`${step.type} done`));
  told.run = await stream.finalRun();
  told.messages = await stream.finalMessages();
  told.steps = await stream.finalRunSteps();
  return told;
}

const plain = await beta.assistants.create({ model: 'demo', instructions: 'Answer in one sentence.' });
const calling = await beta.assistants.create({ model: 'demo', tools: [WEATHER] });
const poll = { pollIntervalMs: 100 };

async function streamed() {
  const thread = await beta.threads.create(QUESTION);
  const told = await heard(beta.threads.runs.stream(thread.id, { assistant_id: plain.id }));
  assert.equal(told.run.status, 'completed');
  assert.equal(told.messages[0].content[0].text.value, told.text);
  assert.deepEqual(told.names, ['text created', 'text done', 'message completed', 'message_creation done']);
  assert.deepEqual(told.steps.map((step) => step.status), ['completed']);
  const kept = await beta.threads.messages.list(thread.id);
  assert.equal(kept.data[0].content[0].text.value, told.text);
}

async function called() {
  const thread = await beta.threads.create(QUESTION);
  const asked = await heard(beta.threads.runs.stream(thread.id, { assistant_id: calling.id }));
  assert.equal(asked.run.status, 'requires_action');
  assert.deepEqual(asked.names, ['weather created', 'call done']);
  const calls = asked.run.required_action.submit_tool_outputs.tool_calls;
  const tool_outputs = calls.map((call) => ({ tool_call_id: call.id, output: 'Rain, 4 degrees' }));
  const told = await heard(
    beta.threads.runs.submitToolOutputsStream(asked.run.id, { thread_id: thread.id, tool_outputs }),
  );
  assert.equal(told.run.status, 'completed');
  assert.equal(told.events[0], 'thread.run.step.completed');
  assert.notEqual(told.text, '');
}

async function polled() {
  const thread = await beta.threads.create(QUESTION);
  const run = await beta.threads.runs.createAndPoll(thread.id, { assistant_id: calling.id }, poll);
  assert.equal(run.status, 'requires_action');
  const calls = run.required_action.submit_tool_outputs.tool_calls;
  const tool_outputs = calls.map((call) => ({ tool_call_id: call.id, output: 'Rain' }));
  const done = await beta.threads.runs.submitToolOutputsAndPoll(run.id, { thread_id: thread.id, tool_outputs }, poll);
  assert.equal(done.status, 'completed');
}

async function withItsThread() {
  const told = await heard(beta.threads.createAndRunStream({ assistant_id: plain.id, thread: QUESTION }));
  assert.deepEqual(told.events.slice(0, 2), ['thread.created', 'thread.run.created']);
  assert.equal(told.run.status, 'completed');
  const run = await beta.threads.createAndRunPoll({ assistant_id: plain.id, thread: QUESTION }, poll);
  assert.equal(run.status, 'completed');
}

async function searched() {
  const store = await client.vectorStores.create({ name: 'weather' });
  const text = (name, said) => toFile(Buffer.from(said), name);
  const one = await client.vectorStores.files.uploadAndPoll(store.id, await text('oslo.txt', 'It rains in Oslo.'), poll);
  assert.equal(one.status, 'completed');
  const files = [await text('rome.md', '# Rome\n\nThe sun shines.'), await text('bern.txt', 'It snows in Bern.')];
  const batch = await client.vectorStores.fileBatches.uploadAndPoll(store.id, { files }, poll);
  assert.deepEqual([batch.status, batch.file_counts.completed], ['completed', 2]);
  const found = await client.vectorStores.search(store.id, { query: 'It rains in Oslo.' });
  assert.equal(found.data[0].filename, 'oslo.txt');
}

await streamed();
await called();
await polled();
await withItsThread();
await searched();
console.log('helpers work');
