// Repositories, their names and who sees them.

import assert from "node:assert/strict";

export async function created_with_files_and_a_license({ hub, as, repo }) {
	const created = await hub.createRepo({
		...as(),
		repo,
		license: "mit",
		files: [{ path: "first.txt", content: new Blob(["first\n"]) }],
	});
	assert.equal(created.repoUrl, `${as().hubUrl}/${repo.name}`);
	const names = [];
	for await (const file of hub.listFiles({ ...as(), repo, recursive: true })) names.push(file.path);
	assert.deepEqual(names.sort(), [".gitattributes", "README.md", "first.txt"]);
	const card = await (await hub.downloadFile({ ...as(), repo, path: "README.md" })).text();
	assert.match(card, /license: "?mit"?/);
	assert.equal(await hub.repoExists({ ...as(), repo }), true);
	await hub.deleteRepo({ ...as(), repo });
	assert.equal(await hub.repoExists({ ...as(), repo }), false);
}

export async function each_type_by_name_and_by_designation({ hub, as, repo }) {
	for (const [designation, info] of [
		[repo.name, (name) => hub.modelInfo({ ...as(), name })],
		[`datasets/${repo.name}`, (name) => hub.datasetInfo({ ...as(), name })],
		[{ type: "space", name: repo.name }, (name) => hub.spaceInfo({ ...as(), name })],
	]) {
		await hub.createRepo({ ...as(), repo: designation, ...(designation.type === "space" && { sdk: "static" }) });
		const found = await info(repo.name);
		assert.equal(found.name, repo.name);
		assert.match(found.id, /^[0-9a-f]{24}$/);
		assert.equal(found.private, false);
		await hub.deleteRepo({ ...as(), repo: designation });
	}
}

export async function a_taken_name_is_a_conflict({ hub, as, errorOf, repo }) {
	await hub.createRepo({ ...as(), repo });
	const error = await errorOf(hub.createRepo({ ...as(), repo }));
	assert.equal(error.statusCode, 409);
	assert.match(error.message, /You already created this model repo/);
	assert.ok(error.requestId);
}

export async function access_is_told_as_it_is({ hub, as, errorOf, repo }) {
	const status = async (who) => (await errorOf(hub.checkRepoAccess({ ...as(who), repo }))).statusCode;
	assert.deepEqual([await status(null), await status("bob")], [401, 404]);
	await hub.createRepo({ ...as(), repo, private: true });
	assert.deepEqual([await status(null), await status("bob")], [401, 404]);
	await hub.checkRepoAccess({ ...as(), repo });
	const shown = { type: "model", name: `${repo.name}-shown` };
	await hub.createRepo({ ...as(), repo: shown });
	await hub.checkRepoAccess({ ...as(null), repo: shown });
}

export async function errors_carry_their_sentence({ hub, as, errorOf, hubUrl, repo }) {
	let error = await errorOf(hub.createRepo({ ...as("bob"), repo }));
	assert.equal(error.statusCode, 403);
	assert.match(error.message, /rights to create a repository under the namespace "alice"/);
	assert.ok(error.url.startsWith(hubUrl) && error.data.error);
	error = await errorOf(hub.checkRepoAccess({ hubUrl, accessToken: "hf_wrong", repo }));
	assert.equal(error.statusCode, 401);
	assert.match(error.message, /Invalid credentials in Authorization header/);
	error = await errorOf(hub.createRepo({ ...as(), repo: { type: "model", name: "alice/--" } }));
	assert.equal(error.statusCode, 400);
	// What is not built says so.
	error = await errorOf(hub.createCollection({ ...as(), collection: { title: "t", namespace: "alice" } }));
	assert.equal(error.statusCode, 501);
	assert.match(error.message, /does not have the operation/);
}

export async function lists_and_what_they_show({ hub, as, repo }) {
	await hub.createRepo({ ...as(), repo });
	await hub.uploadFile({
		...as(),
		repo,
		file: { path: "README.md", content: new Blob(["---\npipeline_tag: fill-mask\ntags: [js-list]\n---\n"]) },
	});
	const models = [];
	for await (const model of hub.listModels({
		...as(),
		search: { owner: "alice", tags: ["js-list"] },
		additionalFields: ["tags", "author"],
	})) {
		models.push(model);
	}
	assert.equal(models.length, 1);
	assert.equal(models[0].name, repo.name);
	assert.equal(models[0].task, "fill-mask");
	assert.ok(models[0].tags.includes("js-list") && models[0].updatedAt instanceof Date);
	// As many as were asked for, and all without a limit.
	const second = { type: "dataset", name: repo.name };
	const third = { type: "dataset", name: `${repo.name}-b` };
	for (const dataset of [second, third]) await hub.createRepo({ ...as(), repo: dataset });
	const names = [];
	for await (const dataset of hub.listDatasets({ ...as(), search: { owner: "alice", query: repo.name.slice(6) }, limit: 1 })) {
		names.push(dataset.name);
	}
	assert.equal(names.length, 1);
	names.length = 0;
	for await (const dataset of hub.listDatasets({ ...as(), search: { owner: "alice", query: repo.name.slice(6) } })) {
		names.push(dataset.name);
	}
	assert.deepEqual(names.sort(), [second.name, third.name]);
}

export async function who_am_i({ hub, as, hubUrl, errorOf }) {
	const me = await hub.whoAmI(as());
	assert.equal(me.type, "user");
	assert.equal(me.name, "alice");
	assert.deepEqual(me.orgs.map((org) => org.name), ["acme"]);
	assert.equal(me.auth.accessToken.role, "write");
	const error = await errorOf(hub.whoAmI({ hubUrl, accessToken: "hf_nobody" }));
	assert.equal(error.statusCode, 401);
}
