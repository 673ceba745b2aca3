"""The scorer's side of the lines between it and the plugin `exec`."""

import io
import json
import unittest
from contextlib import redirect_stderr

from iterit import Sample, Score, Turn, scorer


def row(id, response, **more):
    prompt = [{"role": "user", "content": "?"}]
    return {"id": id, "prompt": prompt, "response": response, **more}


def serve(function, *questions):
    """The answers, and what went to stderr."""
    said, answers = io.StringIO(), io.StringIO()
    lines = "".join(json.dumps({"samples": rows}) + "\n" for rows in questions)
    with redirect_stderr(said):
        function.serve(io.StringIO(lines), answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()], said.getvalue()


class ServingTest(unittest.TestCase):
    def test_a_line_is_answered_by_a_line_with_ids(self):
        @scorer
        def length(samples):
            """How long."""
            return [len(sample.response) for sample in samples]

        answers, _ = serve(length, [row(4, "abc"), row(7, "")], [], [row(1, "é")])
        self.assertEqual(
            answers,
            [
                {"ids": [4, 7], "scores": [3.0, 0.0]},
                {"ids": [], "scores": []},
                {"ids": [1], "scores": [1.0]},
            ],
        )
        self.assertEqual((length.__name__, length.__doc__), ("length", "How long."))

    def test_a_score_may_say_more(self):
        @scorer
        def telling(samples):
            yield Score(0.5, eligible=False, parts={"a": 1})
            yield None

        answers, _ = serve(telling, [row(0, "a"), row(1, "b")])
        telling_score = {"score": 0.5, "eligible": False, "parts": {"a": 1.0}}
        self.assertEqual(answers, [{"ids": [0, 1], "scores": [telling_score, None]}])

    def test_a_sample_has_what_the_trainer_sends(self):
        seen = []

        @scorer
        def look(samples):
            seen.extend(samples)
            return [0.0 for _ in samples]

        losses = {"conditional_nll": 1.0, "unconditional_nll": None, "tokens": 3}
        serve(look, [row(2, "a", metadata={"kind": "task"}, **losses)])
        expected = Sample(2, [Turn("user", "?")], "a", {"kind": "task"}, 1.0, None, 3)
        self.assertEqual(seen, [expected])

    def test_what_is_printed_does_not_reach_the_answers(self):
        @scorer
        def loud(samples):
            print("looking")
            return [1.0 for _ in samples]

        answers, said = serve(loud, [row(0, "a")])
        self.assertEqual(answers, [{"ids": [0], "scores": [1.0]}])
        self.assertEqual(said, "looking\n")

    def test_a_fault_is_an_answer_and_its_traceback_goes_to_stderr(self):
        @scorer
        def short(samples):
            return [1.0]

        @scorer
        def broken(samples):
            raise KeyError("topic")

        @scorer
        def endless(samples):
            return [float("nan") for _ in samples]

        for function, words in [
            (short, "`short` gave 1 scores for 2 samples"),
            (broken, "KeyError: 'topic'"),
            (endless, "ValueError"),
        ]:
            (answer,), said = serve(function, [row(0, "a"), row(1, "b")])
            self.assertIn(words, answer["error"])
            self.assertIn("Traceback", said)


if __name__ == "__main__":
    unittest.main()
