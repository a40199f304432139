"""Deletes a model's folder from this machine's disk, and nothing outside the model roots and the hub's cache.

It does not know whether jobs need the model.
"""

import logging
import secrets
import shutil
from pathlib import Path

from config.settings import Settings
from jobs.errors import MlxqError
from jobs.models.card import Kept
from mlxq.catalog.installed import SHIPPED, TRASH, repository_folder
from mlxq.catalog.local import LocalModels
from mlxq.catalog.stored_prompts import forget_prompts

log = logging.getLogger(__name__)


class Removal:
    """What may be deleted of this machine's models, and how."""

    def __init__(self, settings: Settings) -> None:
        self._cache = settings.hub_cache
        self._roots = (*settings.model_roots, self._cache)
        # A root may lie in another one.
        self._never = (*self._roots, settings.data_dir)
        self._data = settings.data_dir
        self._local = LocalModels(settings)

    def kept(self, model_id: str, path: Path) -> Kept:
        """Why the model in this folder is not deleted; empty: it is."""
        path = path.absolute()
        if path.is_relative_to(repository_folder(self._cache, model_id)):
            return ""
        if path.resolve().is_relative_to(SHIPPED.resolve()):
            return "shipped"
        if not any(place.resolve().is_relative_to(path.resolve()) for place in self._never):
            for root in self._roots:
                if path != root and path.is_relative_to(root) and _is_in(path, root):
                    return ""
        return "outside"

    def delete(self, model_id: str, *, files: bool) -> bool:
        """Forget the model of that id, with its files or without. False: it is not here. Raises MlxqError."""
        folder = self._folder(model_id)
        if folder is None or (files and not _remove(folder, model_id)):
            return False
        forget_prompts(self._data, model_id)
        self._local.records.change(lambda known: known.deleted(model_id, files_stay=not files))
        return True

    def restore(self, model_id: str) -> None:
        """A model that was forgotten, and whose files stayed, is used again. Raises OSError."""
        self._local.records.change(lambda known: known.known(model_id))

    def _folder(self, model_id: str) -> Path | None:
        """What has to go: the folder of the model, or all that the hub's cache has of it."""
        path = next((model.path for model in self._local.installed() if model.id == model_id), None)
        repository = repository_folder(self._cache, model_id)
        if path is None or path.is_relative_to(repository):
            # Also what has come of a download that was given up.
            return repository if repository.is_dir() and not repository.is_symlink() else None
        return path if not self.kept(model_id, path) else None


def _is_in(path: Path, root: Path) -> bool:
    """Whether the folder lies in this root, or a link that does, which goes alone."""
    return (path.parent if path.is_symlink() else path).resolve().is_relative_to(root.resolve())


def _remove(folder: Path, model_id: str) -> bool:
    """The folder vanishes at once, under another name; then its content goes. False: it is gone already."""
    try:
        if folder.is_symlink():
            folder.unlink()
        else:
            trash = folder.with_name(TRASH + secrets.token_hex(8))
            folder.rename(trash)
            shutil.rmtree(trash, ignore_errors=True)
    except FileNotFoundError:
        return False
    except OSError as error:
        log.error("%s could not be deleted: %s", model_id, error)
        raise MlxqError(f"Model '{model_id}' could not be deleted ({type(error).__name__}).") from error
    return True
