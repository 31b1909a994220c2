// Questions to the server: each is answered by lines of JSON, {kind: content}, while it is worked at.

export async function* ask(path, words, signal) {
  const query = new URLSearchParams(words);
  const answer = await fetch(`${path}?${query}`, { signal });
  if (!answer.ok) throw new Error(await answer.text());
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (true) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield Object.entries(JSON.parse(line))[0];
  }
}

// What a question that failed says to the reader; a TypeError is how every browser tells that nobody answered.
export const wordsOf = (error) => (error instanceof TypeError ? silent : error.message);
const silent = "The server of this page does not answer: it was stopped, or the network is down.";
