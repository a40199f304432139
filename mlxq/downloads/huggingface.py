"""The Hugging Face hub. Its library lists the files; `fetch` downloads them by plain HTTP, which can be resumed."""

import asyncio

import httpx
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import parse_ratelimit_headers

from config import VERSION
from config.settings import Settings
from jobs.errors import MlxqError, ModelNotFound
from mlxq.downloads.sources import HubTrouble, Listing, RemoteFile, refusal

#: Seconds that the hub may take for a list of files.
PATIENCE = 60.0
_TOKEN = "HF_TOKEN"


class HuggingFace:
    name = "huggingface"

    def __init__(self, settings: Settings) -> None:
        #: None: the library looks for the token of `hf auth login`
        self._token = settings.hf_token.get_secret_value() if settings.hf_token else None
        self._endpoint = settings.hf_endpoint
        self._api = HfApi(self._endpoint, self._token, library_name="mlxq", library_version=VERSION)

    @property
    def headers(self) -> dict[str, str]:
        return build_hf_headers(token=self._token, library_name="mlxq", library_version=VERSION)

    async def listing(self, repo_id: str) -> Listing:
        try:
            return await asyncio.wait_for(asyncio.to_thread(self._listing, repo_id), PATIENCE)
        except TimeoutError:
            raise HubTrouble("the hub does not answer") from None
        except OfflineModeIsEnabled:
            raise ModelNotFound(
                f"The model '{repo_id}' is not installed, and the hub is offline: HF_HUB_OFFLINE is set.",
                param="model",
            ) from None
        except HfHubHTTPError as error:
            raise _failure(repo_id, error) from None
        except (httpx.HTTPError, OSError):
            raise HubTrouble("the hub is out of reach") from None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise HubTrouble("the hub's answer makes no sense") from None

    def _listing(self, repo_id: str) -> Listing:
        commit = str(self._api.model_info(repo_id, timeout=PATIENCE).sha)
        tree = self._api.list_repo_tree(repo_id, revision=commit, recursive=True)
        files = [self._file(repo_id, commit, entry) for entry in tree if isinstance(entry, RepoFile)]
        return Listing(commit, tuple(files))

    def _file(self, repo_id: str, commit: str, entry: RepoFile) -> RemoteFile:
        large = entry.lfs
        return RemoteFile(
            path=entry.path,
            size=large.size if large else entry.size,
            blob=large.sha256 if large else entry.blob_id,
            url=hf_hub_url(repo_id, entry.path, revision=commit, endpoint=self._endpoint),
            sha256=large.sha256 if large else None,
            git_sha1=None if large else entry.blob_id,
        )


def _failure(repo_id: str, error: HfHubHTTPError) -> HubTrouble | MlxqError:
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        return refusal(repo_id, 403, _TOKEN)
    if isinstance(error, RepositoryNotFoundError):
        # Without a token, the hub answers 401 also for a repository that does not exist.
        return refusal(repo_id, status if status in (401, 404) else 404, _TOKEN)
    if status == 429:
        limit = parse_ratelimit_headers(error.response.headers)
        return HubTrouble(
            "the hub has had too many requests (429)", float(limit.reset_in_seconds) if limit else None
        )
    if status == 408 or status >= 500:
        return HubTrouble(f"the hub is in trouble ({status})")
    return refusal(repo_id, status, _TOKEN)
