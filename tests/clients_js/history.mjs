// Commits, branches, pull requests.

import assert from "node:assert/strict";

const put = (path, text) => ({ operation: "addOrUpdate", path, content: new Blob([text]) });

const paths = async (hub, params) => {
	const found = [];
	for await (const file of hub.listFiles({ ...params, recursive: true })) found.push(file.path);
	return found.sort();
};

export async function a_commit_that_adds_changes_and_deletes({ hub, as, repo }) {
	await hub.createRepo({ ...as(), repo });
	const first = await hub.commit({
		...as(),
		repo,
		title: "first",
		operations: [put("a.txt", "one\n"), put("deep/er/b.txt", "two\n"), put("w.bin", "x".repeat(50_000))],
	});
	const second = await hub.commit({
		...as(),
		repo,
		title: "second",
		description: "and why",
		parentCommit: first.commit.oid,
		operations: [put("a.txt", "another\n"), { operation: "delete", path: "deep/er/b.txt" }],
	});
	assert.deepEqual(await paths(hub, { ...as(), repo }), [".gitattributes", "a.txt", "w.bin"]);
	assert.deepEqual(await paths(hub, { ...as(), repo, revision: first.commit.oid }),
		[".gitattributes", "a.txt", "deep", "deep/er", "deep/er/b.txt", "w.bin"]);
	const old = await hub.downloadFile({ ...as(), repo, path: "a.txt", revision: first.commit.oid });
	assert.equal(await old.text(), "one\n");
	const commits = [];
	for await (const commit of hub.listCommits({ ...as(), repo, batchSize: 1 })) commits.push(commit);
	assert.deepEqual(commits.map((commit) => commit.title), ["second", "first", "initial commit"]);
	assert.equal(commits[0].oid, second.commit.oid);
	assert.equal(commits[0].message, "and why");
	assert.equal(commits[0].authors[0].username, "alice");
	assert.ok(commits[0].date instanceof Date);
	assert.equal(await hub.countCommits({ ...as(), repo }), 3);
	for await (const file of hub.listFiles({ ...as(), repo, expand: true })) {
		if (file.path === "a.txt") assert.equal(file.lastCommit.id, second.commit.oid);
	}
}

export async function a_parent_that_is_no_more_the_head({ hub, as, errorOf, repo }) {
	await hub.createRepo({ ...as(), repo });
	const first = await hub.uploadFile({ ...as(), repo, file: { path: "a.txt", content: new Blob(["1"]) } });
	await hub.uploadFile({ ...as(), repo, file: { path: "a.txt", content: new Blob(["2"]) } });
	const error = await errorOf(
		hub.commit({ ...as(), repo, title: "late", parentCommit: first.commit.oid, operations: [put("a.txt", "3")] }),
	);
	assert.equal(error.statusCode, 412);
	assert.match(error.message, /The branch was updated since you opened this page/);
	assert.equal(await (await hub.downloadFile({ ...as(), repo, path: "a.txt" })).text(), "2");
}

export async function many_files_go_in_one_commit_and_away_in_another({ hub, as, repo }) {
	await hub.createRepo({ ...as(), repo });
	const names = Array.from({ length: 120 }, (_, index) => `many/${String(index).padStart(3, "0")}.txt`);
	await hub.uploadFiles({ ...as(), repo, files: names.map((path) => ({ path, content: new Blob([path]) })) });
	assert.equal((await paths(hub, { ...as(), repo })).length, 122);
	assert.equal(await hub.countCommits({ ...as(), repo }), 2);
	await hub.deleteFiles({ ...as(), repo, paths: names.slice(1) });
	await hub.deleteFile({ ...as(), repo, path: names[0] });
	assert.deepEqual(await paths(hub, { ...as(), repo }), [".gitattributes"]);
}

export async function deleting_what_is_not_there({ hub, as, errorOf, repo }) {
	await hub.createRepo({ ...as(), repo });
	const error = await errorOf(hub.deleteFile({ ...as(), repo, path: "absent.txt" }));
	assert.equal(error.statusCode, 404);
	assert.match(error.message, /A file with this name doesn't exist/);
}

export async function branches({ hub, as, errorOf, repo }) {
	await hub.createRepo({ ...as(), repo });
	await hub.uploadFile({ ...as(), repo, file: { path: "a.txt", content: new Blob(["main"]) } });
	await hub.createBranch({ ...as(), repo, branch: "feat/x" });
	await hub.createBranch({ ...as(), repo, branch: "nothing", empty: true });
	assert.deepEqual(await paths(hub, { ...as(), repo, revision: "nothing" }), []);
	await hub.uploadFile({ ...as(), repo, branch: "feat/x", file: { path: "a.txt", content: new Blob(["side"]) } });
	assert.equal(await (await hub.downloadFile({ ...as(), repo, path: "a.txt", revision: "feat/x" })).text(), "side");
	assert.equal(await (await hub.downloadFile({ ...as(), repo, path: "a.txt" })).text(), "main");
	assert.equal((await errorOf(hub.createBranch({ ...as(), repo, branch: "feat/x" }))).statusCode, 409);
	await hub.createBranch({ ...as(), repo, branch: "feat/x", revision: "main", overwrite: true });
	assert.equal(await (await hub.downloadFile({ ...as(), repo, path: "a.txt", revision: "feat/x" })).text(), "main");
	await hub.deleteBranch({ ...as(), repo, branch: "feat/x" });
	assert.equal((await errorOf(hub.deleteBranch({ ...as(), repo, branch: "feat/x" }))).statusCode, 404);
	assert.equal((await errorOf(hub.deleteBranch({ ...as(), repo, branch: "main" }))).statusCode, 400);
	assert.equal((await errorOf(hub.createBranch({ ...as("bob"), repo, branch: "his" }))).statusCode, 403);
}

export async function a_pull_request_of_someone_else({ hub, as, repo }) {
	await hub.createRepo({ ...as(), repo });
	const opened = await hub.commit({
		...as("bob"),
		repo,
		title: "proposed",
		isPullRequest: true,
		operations: [put("a.txt", "proposed\n")],
	});
	assert.match(opened.pullRequestUrl, /\/discussions\/1$/);
	assert.equal(await hub.fileExists({ ...as(), repo, path: "a.txt" }), false);
	const proposed = await hub.downloadFile({ ...as(), repo, path: "a.txt", revision: "refs/pr/1" });
	assert.equal(await proposed.text(), "proposed\n");
}
