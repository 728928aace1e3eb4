// From settings to what is sent. Nothing here touches the page.

/** The request of one side: {path, body}. Fields that were left empty are left out: the server's defaults hold. */
export function request(settings, side, history, prompt) {
  const chat = settings.mode === "chat";
  const { method, reward, guide, options } = settings.sides[side];
  const search = { method, ...options };
  if (reward) search.reward = reward;
  if (guide) search.guide = guide;
  if (Object.keys(settings.budget).length) search.budget = settings.budget;
  const body = { model: settings.model };
  if (chat) body.messages = [...history, { role: "user", content: prompt }];
  else body.prompt = prompt;
  Object.assign(body, settings.sampling, { search });
  if (settings.speculate === false) body.speculate = false;
  return { path: chat ? "v1/chat/completions" : "v1/completions", body };
}

/** The same request as this page sends it: its events as they come, and the tree in the answer. */
export function live(body) {
  return { ...body, search: { ...body.search, trace: true }, stream: true, stream_options: { include_usage: true } };
}

/** What a chunk adds to the chosen text. */
export function textIn(chunk) {
  const choice = chunk.choices?.[0];
  return choice?.delta?.content ?? choice?.text ?? "";
}
