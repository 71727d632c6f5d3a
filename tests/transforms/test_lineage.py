"""Where a PCollection comes from."""

import apache_beam as beam

from embed_pipeline.transforms.lineage import apart, applied, nearest


class Named(beam.PTransform):
    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        return elements | "Inner" >> beam.Map(str)


def test_what_was_flattened_is_taken_apart() -> None:
    pipeline = beam.Pipeline("FnApiRunner")
    one, two, three = (pipeline | str(n) >> beam.Create([n]) for n in range(3))
    inner = (one, two) | "Inner" >> beam.Flatten()
    assert set(apart((inner, three) | beam.Flatten())) == {one, two, three}
    assert apart(one) == [one]


def test_the_last_step_of_a_kind_on_each_way_is_found() -> None:
    pipeline = beam.Pipeline("FnApiRunner")
    first, second, third = Named(), Named(), Named()
    above = pipeline | beam.Create([1]) | "First" >> first
    left = above | "Second" >> second | beam.Filter(bool)
    right = above | "Third" >> third
    assert nearest(above, Named) == [first]
    assert set(nearest((left, right) | beam.Flatten(), Named)) == {second, third}
    assert nearest(left, beam.Flatten) == []


def test_a_step_that_is_reached_twice_is_found_once() -> None:
    pipeline = beam.Pipeline("FnApiRunner")
    step = Named()
    made = pipeline | beam.Create([1]) | step
    parts = (made | "Odd" >> beam.Filter(bool), made | "Even" >> beam.Filter(bool))
    assert nearest(parts | beam.Flatten(), Named) == [step]


def test_all_steps_of_a_kind_are_found_wherever_they_stand() -> None:
    pipeline = beam.Pipeline("FnApiRunner")
    first, second = Named(), Named()
    above = pipeline | beam.Create([1])
    _ = above | "First" >> first
    _ = above | "Second" >> second
    assert set(applied(pipeline, Named)) == {first, second}
    assert applied(pipeline, beam.Flatten) == []
