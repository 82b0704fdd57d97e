import * as assert from 'uvu/assert';
import { hostId } from '../../../test/sim/scenario.ts';
import { suite } from '../../../test/support/suite.ts';
import {
  answerBytes,
  answerOf,
  newNumber,
  questionBytes,
  questionOf,
  readAnswer,
  readQuestion,
} from './probe.ts';

const test = suite('probes between agents');
const key = Buffer.alloc(32, 7);
const other = Buffer.alloc(32, 8);
const number = newNumber();
const question = { from: hostId(1), to: hostId(2), number };

test('a question and its answer are read as they were written', () => {
  assert.equal(readQuestion(key, questionOf(key, question)), question);
  for (const hasContact of [true, false])
    assert.equal(readAnswer(key, answerOf(key, { ...question, hasContact })), { ...question, hasContact });
});

test('each bit that is changed on the way, and another key, make it nothing', () => {
  const datagram = answerOf(key, { ...question, hasContact: true });
  for (let at = 0; at < datagram.length; at += 1) {
    const changed = Buffer.from(datagram);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.is(readAnswer(key, changed), undefined);
  }
  assert.is(readAnswer(other, datagram), undefined);
});

test('a question is no answer, and what is too short or too long is neither', () => {
  const asked = questionOf(key, question);
  assert.is(asked.length, questionBytes);
  assert.is(answerBytes, questionBytes + 1);
  assert.is(readAnswer(key, asked), undefined);
  assert.is(readQuestion(key, asked.subarray(1)), undefined);
  assert.is(readQuestion(key, Buffer.concat([asked, Buffer.from([0])])), undefined);
  assert.is(readQuestion(key, Buffer.alloc(0)), undefined);
});

test.run();
