"""ModelScope, by the plain HTTP of its own SDK (`modelscope.hub.api`, `modelscope.hub.file_download`)."""

import hashlib
from urllib.parse import quote, urlencode

import httpx

from config import VERSION
from config.settings import Settings
from jobs.errors import ModelNotFound
from mlxq.downloads.sources import HubTrouble, Listing, RemoteFile, refusal

PATIENCE = 60.0
_TOKEN = "MODELSCOPE_API_TOKEN"
#: ModelScope's main branch.
_BRANCH = "master"


class ModelScope:
    name = "modelscope"

    def __init__(self, settings: Settings) -> None:
        self._endpoint = settings.modelscope_endpoint
        self._token = settings.modelscope_token
        self._offline = settings.hf_hub_offline

    @property
    def headers(self) -> dict[str, str]:
        headers = {"user-agent": f"mlxq/{VERSION}"}
        if self._token:
            # The cookie that the SDK's log-in sets.
            token = self._token.get_secret_value()
            headers |= {"cookie": f"m_session_id={quote(token)}", "authorization": f"Bearer {token}"}
        return headers

    async def listing(self, repo_id: str) -> Listing:
        if self._offline:
            raise ModelNotFound(
                f"The model '{repo_id}' is not installed, and the hub is offline: HF_HUB_OFFLINE is set.",
                param="model",
            )
        url = f"{self._model(repo_id)}/repo/files"
        try:
            async with httpx.AsyncClient(timeout=PATIENCE, follow_redirects=True) as client:
                answer = await client.get(
                    url, params={"Revision": _BRANCH, "Recursive": "True"}, headers=self.headers
                )
        except httpx.HTTPError:
            raise HubTrouble("the hub is out of reach") from None
        if answer.status_code in (408, 429) or answer.status_code >= 500:
            raise HubTrouble(f"the hub is in trouble ({answer.status_code})")
        if answer.status_code != 200:
            raise refusal(repo_id, answer.status_code, _TOKEN)
        try:
            body = answer.json()
            if body["Code"] != 200:
                raise refusal(repo_id, 404, _TOKEN)
            entries = [entry for entry in body["Data"]["Files"] if entry["Type"] != "tree"]
            files = tuple(self._file(repo_id, entry) for entry in entries)
        except (ValueError, LookupError, TypeError, RecursionError):
            raise HubTrouble("the hub's answer makes no sense") from None
        return Listing(_revision(files), files)

    def _model(self, repo_id: str) -> str:
        return f"{self._endpoint}/api/v1/models/{repo_id}"

    def _file(self, repo_id: str, entry: dict[str, object]) -> RemoteFile:
        path, size = str(entry["Path"]), int(str(entry["Size"]))
        sha256 = str(entry.get("Sha256") or "").lower() or None
        # Without a hash, the revision that last changed the file identifies its content.
        unnamed = f"{repo_id}\0{path}\0{entry.get('Revision')}\0{size}"
        blob = sha256 or hashlib.sha256(unnamed.encode()).hexdigest()
        query = urlencode({"Revision": _BRANCH, "FilePath": path})
        return RemoteFile(path, size, blob, f"{self._model(repo_id)}/repo?{query}", sha256=sha256)


def _revision(files: tuple[RemoteFile, ...]) -> str:
    """A hash of all files: ModelScope has no commit id for the whole list."""
    digest = hashlib.sha1(usedforsecurity=False)
    for file in sorted(files, key=lambda file: file.path):
        digest.update(f"{file.path}\0{file.blob}\n".encode())
    return digest.hexdigest()
