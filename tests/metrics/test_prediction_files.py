import io

import pandas as pd
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.prediction_files import read_table
from xattn_bmd.metrics.predictions import read_predictions

TABLE = made_up_table(patients=4, folds=2, models=("xattn",))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00a", b'a,b\n"1,2\n1,2,3\n'])
def test_unreadable_files(tmp_path, content):
    path = tmp_path / "predictions.csv"
    path.write_bytes(content)
    with pytest.raises(MetricError, match=r"predictions\.csv cannot be read"):
        read_table(path)


def test_a_ragged_row_is_named_by_its_line():
    with pytest.raises(MetricError, match=r"the given text cannot be read as one .*line 3, saw 3"):
        read_table(io.StringIO("a,b\n1,2\n1,2,3\n"))


def test_no_such_file(tmp_path):
    with pytest.raises(MetricError, match=r"there is no .*predictions\.csv; check the path"):
        read_table(tmp_path / "predictions.csv")


def test_a_folder(tmp_path):
    run = tmp_path / "RUN"
    run.mkdir()
    with pytest.raises(MetricError, match="RUN is a folder; give the CSV file inside it"):
        read_table(run)
    (run / "predictions.csv").touch()
    with pytest.raises(MetricError, match=r"RUN is a folder; give RUN/predictions\.csv"):
        read_table(str(run))


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0"])
def test_a_workbook_whatever_it_is_called(tmp_path, start):
    path = tmp_path / "predictions.csv"
    path.write_bytes(start + b"\x00" * 50)
    with pytest.raises(MetricError, match="is a workbook or an archive; save the sheet as CSV"):
        read_table(path)


def test_another_text_file_is_told_by_its_columns(tmp_path):
    path = tmp_path / "cohort.json"
    path.write_text('{\n"a": 1,\n"b": [1, 2]\n}\n')
    with pytest.raises(MetricError, match=r"has the columns radiograph_id, .* is missing; add radiograph_id"):
        read_predictions(path)


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs")])
@pytest.mark.parametrize("decimal", [".", ","])
def test_other_separators(separator, word, decimal):
    text = TABLE.to_csv(index=False, sep=separator, decimal=decimal)
    commas = " and its numbers have decimal commas" if decimal == "," else ""
    with pytest.raises(MetricError, match=f"the given text is separated by {word}{commas}; save it as CSV"):
        read_table(io.StringIO(text))


def test_decimal_commas_in_a_table_with_commas():
    bare = TABLE.to_csv(index=False).replace("0.", "0,")
    with pytest.raises(MetricError, match=r"rows of the given text have more than 8; write decimal points"):
        read_table(io.StringIO(bare))
    quoted = (
        TABLE.astype(str).assign(target=TABLE["target"].map("{:.3f}".format).str.replace(".", ",")).to_csv(index=False)
    )
    with pytest.raises(MetricError, match=r"target is a finite .*write it with a decimal point"):
        read_predictions(io.StringIO(quoted))


def test_what_a_spreadsheet_puts_in_front_is_no_name(tmp_path):
    path = tmp_path / "predictions.csv"
    TABLE.to_csv(path, index=False, encoding="utf-8-sig")
    assert list(read_table(path).columns) == list(TABLE.columns)
    pd.testing.assert_frame_equal(read_predictions(path), TABLE, check_exact=True)
