from hypothesis import given
from hypothesis import strategies as st

from workspaces.views.highlighting import Line, yaml_lines


def test_keys_and_values_have_their_styles():
    text = 'metadata:\n  name: phi-4\n  - port: 5000\n  # aside\n    kaito.sh/enablelb: "True"\n'

    assert yaml_lines(text) == [
        Line((("yk", "metadata"), ("", ":"))),
        Line((("", "  "), ("yk", "name"), ("", ":"), ("", " "), ("ys", "phi-4"))),
        Line((("", "  - "), ("yk", "port"), ("", ":"), ("", " "), ("yn", "5000"))),
        Line((("", "  "), ("yc", "# aside"))),
        Line((("", "    "), ("yk", "kaito.sh/enablelb"), ("", ":"), ("", " "), ("ys", '"True"'))),
    ]


def test_marks_stand_on_the_line_of_their_path():
    text = "metadata:\n  name: x\nspec:\n  containers:\n    - name: y\n      image: z\nname: w\n"

    lines = yaml_lines(text, {"metadata.name": "error", "spec.containers.image": "warning"})

    assert [line.mark for line in lines] == ["", "err", "", "", "", "chg", ""]


@given(st.text(st.characters(exclude_categories=["Cc", "Zl", "Zp"])))
def test_no_character_is_lost(text):
    lines = yaml_lines(text)

    assert "".join(part for line in lines for _, part in line.parts) == text
