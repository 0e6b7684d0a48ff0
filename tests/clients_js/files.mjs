// Files on their way up and down: small ones, and large ones by each way that the client has.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const bytesOf = async (blob) => Buffer.from(await blob.arrayBuffer());

/** Notes what the client sends, and sends it. */
const watch = (seen) => (url, init) => {
	seen.push(`${init?.method ?? "GET"} ${new URL(url.url ?? url).pathname}`);
	return fetch(url, init);
};

export async function a_small_file_and_one_of_nothing({ hub, as, repo }) {
	await hub.createRepo({ ...as(), repo });
	const done = await hub.uploadFile({ ...as(), repo, file: { path: "a b/ü.txt", content: new Blob(["kürzer\n"]) } });
	assert.match(done.commit.oid, /^[0-9a-f]{40}$/);
	assert.ok(done.commit.url.endsWith(done.commit.oid));
	await hub.uploadFile({ ...as(), repo, file: { path: "empty.bin", content: new Blob([]) } });
	assert.equal(await (await hub.downloadFile({ ...as(), repo, path: encodeURI("a b/ü.txt") })).text(), "kürzer\n");
	assert.equal((await hub.fileDownloadInfo({ ...as(), repo, path: "empty.bin" })).size, 0);
	assert.equal(await hub.fileExists({ ...as(), repo, path: "empty.bin" }), true);
	assert.equal(await hub.fileExists({ ...as(), repo, path: "absent.bin" }), false);
	assert.equal(await hub.downloadFile({ ...as(), repo, path: "absent.bin" }), null);
}

async function large({ hub, as, repo, useXet, size }) {
	await hub.createRepo({ ...as(), repo });
	const content = randomBytes(size);
	const sha256 = createHash("sha256").update(content).digest("hex");
	const seen = [];
	await hub.uploadFile({ ...as(), repo, useXet, fetch: watch(seen), file: { path: "w.bin", content: new Blob([content]) } });
	const info = await hub.fileDownloadInfo({ ...as(), repo, path: "w.bin" });
	assert.equal(info.size, size);
	assert.equal(info.etag.replaceAll('"', ""), sha256);
	const raw = await hub.downloadFile({ ...as(), repo, path: "w.bin", raw: true });
	assert.match(await raw.text(), new RegExp(`oid sha256:${sha256}\nsize ${size}\n`));
	// Whole, and parts of it: at the beginning, across blocks, at the end.
	for (const xet of [true, false]) {
		const blob = await hub.downloadFile({ ...as(), repo, path: "w.bin", xet });
		assert.equal(blob.size, size);
		assert.ok((await bytesOf(blob)).equals(content));
		for (const [begin, end] of [[0, 1], [100, 100_000], [size - 5, size]]) {
			assert.ok((await bytesOf(blob.slice(begin, end))).equals(content.subarray(begin, end)));
		}
	}
	return { seen, content };
}

export async function a_large_file_by_lfs({ hub, as, repo }) {
	const { seen } = await large({ hub, as, repo, useXet: false, size: 300_000 });
	assert.ok(seen.some((line) => line.startsWith("PUT /api/lfs/objects/")));
}

export async function a_large_file_by_lfs_in_parts({ hub, as, repo }) {
	const { seen } = await large({ hub, as, repo, useXet: false, size: 12 << 20 });
	assert.equal(seen.filter((line) => line.startsWith("PUT /api/lfs/parts/")).length, 3);
	assert.equal(seen.filter((line) => line.startsWith("POST /api/lfs/complete/")).length, 1);
}

export async function a_large_file_by_xet({ hub, as, repo }) {
	const { seen } = await large({ hub, as, repo, useXet: true, size: 3 << 20 });
	assert.ok(seen.some((line) => line.startsWith("POST /cas/v1/xorbs/default/")));
	assert.ok(seen.some((line) => line === "POST /cas/v1/shards" || line === "POST /cas/v2/shards"));
	assert.ok(!seen.some((line) => line.startsWith("PUT /api/lfs/")));
}

export async function what_is_there_is_not_sent_again({ hub, as, repo }) {
	const { content } = await large({ hub, as, repo, useXet: true, size: 2 << 20 });
	const seen = [];
	await hub.uploadFile({ ...as(), repo, fetch: watch(seen), file: { path: "again.bin", content: new Blob([content]) } });
	assert.ok(!seen.some((line) => line.includes("/xorbs/") || line.startsWith("PUT ")));
	const [first, second] = await hub.pathsInfo({ ...as(), repo, paths: ["w.bin", "again.bin"] });
	assert.equal(first.lfs.oid, second.lfs.oid);
	assert.equal(first.xetHash, second.xetHash);
}

export async function a_private_large_file({ hub, as, errorOf, repo }) {
	await hub.createRepo({ ...as(), repo, private: true });
	const content = randomBytes(200_000);
	await hub.uploadFile({ ...as(), repo, file: { path: "w.bin", content: new Blob([content]) } });
	const blob = await hub.downloadFile({ ...as(), repo, path: "w.bin" });
	assert.ok((await bytesOf(blob)).equals(content));
	assert.equal((await errorOf(hub.downloadFile({ ...as("bob"), repo, path: "w.bin" }))).statusCode, 404);
	assert.equal((await errorOf(hub.downloadFile({ ...as(null), repo, path: "w.bin" }))).statusCode, 401);
}

export async function a_folder_of_the_disk_and_a_snapshot_of_it({ hub, as, folder, repo }) {
	await hub.createRepo({ ...as(), repo });
	await writeFile(`${folder}/a.txt`, "one\n");
	await writeFile(`${folder}/w.bin`, randomBytes(150_000));
	const progress = [];
	for await (const event of hub.uploadFilesWithProgress({
		...as(),
		repo,
		files: [pathToFileURL(`${folder}/a.txt`), { path: "deep/w.bin", content: pathToFileURL(`${folder}/w.bin`) }],
	})) {
		progress.push(event.event);
	}
	assert.ok(progress.includes("phase") && progress.includes("fileProgress"));
	const path = await hub.snapshotDownload({ ...as(), repo, cacheDir: `${folder}/cache` });
	assert.equal(await readFile(`${path}/a.txt`, "utf8"), "one\n");
	assert.ok((await readFile(`${path}/deep/w.bin`)).equals(await readFile(`${folder}/w.bin`)));
	const one = await hub.downloadFileToCacheDir({ ...as(), repo, path: "a.txt", cacheDir: `${folder}/cache` });
	assert.equal(await readFile(one, "utf8"), "one\n");
}
