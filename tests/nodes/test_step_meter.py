"""What a node tells of its steps."""

from lastmile.nodes.diagnostics import StepMeter


def test_steps_without_outputs_do_not_hide_how_long_the_others_compute():
    meter = StepMeter()
    for _ in range(90):
        meter.add(0.0001, 0.0, published=False)
    for _ in range(10):
        meter.add(0.030, 0.0, published=True)
    values = meter.report(0.05).values
    assert float(values["step_median_ms"]) == 30.0
    assert float(values["step_max_ms"]) == 30.0
    assert float(values["published_per_s"]) < float(values["steps_per_s"])


def test_second_without_outputs_has_no_median():
    meter = StepMeter()
    meter.add(0.2, 0.0, published=False)
    report = meter.report(0.05)
    assert "step_median_ms" not in report.values
    assert "longest step 200 ms" in report.message


def test_report_begins_anew():
    meter = StepMeter()
    meter.add(0.03, 0.0, published=True)
    meter.report(0.05)
    assert "step_median_ms" not in meter.report(0.05).values
