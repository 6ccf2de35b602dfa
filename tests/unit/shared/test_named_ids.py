from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from shared.named_ids import ids_of_names


@given(namespace=st.uuids(), beginning=st.text(), names=st.lists(st.text(), max_size=4))
def test_they_are_uuids_of_version_5(namespace: UUID, beginning: str, names: list[str]) -> None:
    id_of = ids_of_names(namespace, beginning)
    assert [id_of(name) for name in names] == [uuid5(namespace, beginning + name) for name in names]
