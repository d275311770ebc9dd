import pytest

pytest.register_assert_rewrite("tests.stories.reckoning", "tests.support.running_house")
