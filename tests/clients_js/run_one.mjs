// node run_one.mjs NODE_MODULES FILE FUNCTION JSON: one test of a file, with the client and a fresh name.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, file, name, given] = process.argv.slice(2);
const { hubUrl, tokens, name: repoName, folder } = JSON.parse(given);
const entry = createRequire(`${modules}/`).resolve("@huggingface/hub");
const hub = await import(pathToFileURL(entry));
const test = (await import(pathToFileURL(file)))[name];

/** What every call of the client takes: alice's token unless another is named. */
const as = (who = "alice") => ({ hubUrl, ...(who ? { accessToken: tokens[who] } : {}) });
/** What a call throws, for its status and message. */
const errorOf = async (promise) => {
	try {
		await promise;
	} catch (error) {
		return error;
	}
	throw new Error("It did not fail.");
};
await test({ hub, hubUrl, tokens, as, errorOf, folder, repo: { type: "model", name: `alice/${repoName}` } });
