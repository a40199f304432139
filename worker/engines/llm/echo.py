"""Prompts that a completion repeats before its answers. It does not know how prompts are read."""

from jobs.payloads import CompletionPayload
from worker.engines.base import Delta
from worker.engines.llm.answers.logprobs import of_prompt
from worker.engines.llm.grammars.vocabulary import Vocabulary
from worker.engines.llm.request import TextRequest
from worker.engines.loading import LanguageModel

#: Tokens of a prompt whose log-probabilities are made at once: each is a row as wide as the vocabulary.
SCORED_STEP = 128


def echo(
    task: TextRequest, payload: CompletionPayload, language: LanguageModel, vocabulary: Vocabulary
) -> list[Delta]:
    """Put the prompts at the start of their answers. Returns what is told of that at once."""
    told = []
    for number, (prompt, given) in enumerate(zip(task.prompts, payload.prompts, strict=True)):
        text = given if isinstance(given, str) else language.tokenizer.decode(prompt.tokens)
        entries = []
        if payload.logprobs is not None:
            entries = of_prompt(language.model, prompt.tokens, payload.logprobs, vocabulary, SCORED_STEP)
        for sequence in task.sequences[number * task.each : (number + 1) * task.each]:
            sequence.text.append(text)
            sequence.logprobs += entries
            if task.each == task.n:
                told.append(Delta(task.id, text, sequence.index, logprobs=entries or None))
    return told
