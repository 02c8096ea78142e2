"""Heat by zone of the vertebral body: every vertebra in one shape, then centre, walls and endplates compared."""
